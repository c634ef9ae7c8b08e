"""Options that several commands share."""

from typing import Annotated

import typer

from .. import _completion as offer
from .of_settings import options_of, typer_option

Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        autocompletion=offer.stores,
        help="Store to read (.zarr, .zarr.zip, .h5 or .hdf5), or its URL.",
    ),
]
DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FOLDER|LIST",
        autocompletion=offer.complete_dataset,
        help="Name of a dataset, a folder of class folders, or a list of videos.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout, and messages to stderr.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only results and errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print more details.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="Device: auto (CUDA if available), cpu, cuda or cuda:N.",
        autocompletion=offer.one_of("auto", "cpu", "cuda"),
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it already exists.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed.")]
StoreClasses = Annotated[
    str | None,
    typer.Option("--classes", metavar="NAME,NAME", help="Use only clips of these classes."),
]

# The same options as in `dfs condense`.
Root = Annotated[str | None, typer_option("root")]
Dtype = Annotated[str | None, typer_option("dtype")]
Encoding = Annotated[str | None, typer_option("encoding")]
SOURCE = options_of("root", "test_list", "class_names", "folder_layout")
SAMPLING = options_of("frames", "stride", "size", "split", "classes")
DECODER = options_of("decoder")


def class_list(classes: str | None) -> list[str] | None:
    """Splits the value of --classes into names. Returns None for None."""
    if classes is None:
        return None
    return [name.strip() for name in classes.split(",") if name.strip()]
