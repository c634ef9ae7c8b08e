"""Defines the options of `dfs export`."""

from typing import Annotated

import typer

from .. import _completion as offer

Store = Annotated[str, typer.Argument(metavar="STORE", autocompletion=offer.stores, help="Store to read.")]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMAT",
        autocompletion=offer.one_of(*offer.EXPORTS),
        help="Format to write: videos, frames, webdataset, npz, huggingface or croissant.",
    ),
]
Out = Annotated[
    str, typer.Option("--out", metavar="DIR", help="Folder to create, or a file NAME.npz for npz.")
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Encoding of the clips: h264 or lossless (videos, huggingface); npy, h264 or lossless "
        "(webdataset); uint8 or float32 (npz).",
        show_default="the first listed",
    ),
]
Fps = Annotated[
    float | None, typer.Option("--fps", help="Frames per second.", show_default="the store's, else 8")
]
ShardSize = Annotated[
    str, typer.Option("--shard-size", metavar="SIZE", help="Maximum size of a shard (webdataset).")
]
LicenseName = Annotated[
    str,
    typer.Option("--license", help="Licence of the clips, for example cc-by-4.0 (huggingface, croissant)."),
]
WithStore = Annotated[bool, typer.Option("--with-store/--no-store", help="Include the store (huggingface).")]
