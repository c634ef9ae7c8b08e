"""The options of `dfs export`, by name."""

from typing import Annotated

import typer

from .. import _completion as offer

Store = Annotated[
    str, typer.Argument(metavar="STORE", autocompletion=offer.stores, help="The store to read.")
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMAT",
        autocompletion=offer.one_of(*offer.EXPORTS),
        help="videos, frames, webdataset, npz, huggingface or croissant.",
    ),
]
Out = Annotated[str, typer.Option("--out", metavar="DIR", help="A new folder; NAME.npz for npz.")]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Of clips. videos, huggingface: h264 or lossless; webdataset: npy, h264 or lossless; "
        "npz: uint8 pixels or float32 values.",
        show_default="the first",
    ),
]
Fps = Annotated[
    float | None, typer.Option("--fps", help="Frames per second.", show_default="the store's, else 8")
]
ShardSize = Annotated[
    str, typer.Option("--shard-size", metavar="SIZE", help="The most that a shard of webdataset has.")
]
LicenseName = Annotated[
    str, typer.Option("--license", help="For huggingface and croissant: cc-by-4.0, other ...")
]
WithStore = Annotated[
    bool, typer.Option("--with-store/--no-store", help="Copy the store along (huggingface).")
]
