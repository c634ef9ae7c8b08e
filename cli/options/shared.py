"""Options that several commands share."""

from typing import Annotated

import typer

from .. import _completion as offer

Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        autocompletion=offer.stores,
        help="A .zarr, .zarr.zip, .h5 or .hdf5 store, or its URL.",
    ),
]
DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FOLDER",
        autocompletion=offer.complete_dataset,
        help="A dataset's name, or a folder of class folders.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; talk goes to stderr.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print more.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="auto (CUDA when present), cpu, cuda or cuda:N.",
        show_default=True,
        autocompletion=offer.one_of("auto", "cpu", "cuda"),
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Root = Annotated[
    str | None,
    typer.Option("--root", help="Folder of the dataset's videos (else DFS_DATA).", metavar="DIR"),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="webp|avif[:QUALITY]",
        help="Key frames as image files: webp[:75], avif[:60] or none.",
        autocompletion=offer.one_of("webp", "avif", "none"),
    ),
]
SAMPLING = "Sampling of the real clips (default: the dataset's)"

Frames = Annotated[
    int | None, typer.Option("--frames", help="Frames per clip (T).", rich_help_panel=SAMPLING)
]
Stride = Annotated[
    int | None, typer.Option("--stride", help="Interval between sampled frames.", rich_help_panel=SAMPLING)
]
Size = Annotated[
    int | None, typer.Option("--size", help="Height and width, pixels.", rich_help_panel=SAMPLING)
]
Split = Annotated[
    int | None,
    typer.Option("--split", help="Official split, 1 to 3 (UCF101, HMDB51).", rich_help_panel=SAMPLING),
]
Classes = Annotated[
    str | None, typer.Option("--classes", help="Only these, commas between.", rich_help_panel=SAMPLING)
]


HoldOut = Annotated[
    float | None,
    typer.Option(
        "--hold-out",
        metavar="SHARE",
        help="Share of training clips to leave out of condensing and to test on.",
        rich_help_panel=SAMPLING,
    ),
]


def class_list(classes: str | None) -> list[str] | None:
    """Splits the text of --classes into names; None stays None."""
    if classes is None:
        return None
    return [name.strip() for name in classes.split(",") if name.strip()]
