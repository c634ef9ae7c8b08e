"""Defines the options of `dfs preview`."""

from functools import partial
from typing import Annotated

import typer

from .._completion import KINDS_OF_PREVIEW, complete_dataset, one_of, stores

_looks = partial(typer.Option, rich_help_panel="Appearance")

Stores = Annotated[
    list[str],
    typer.Argument(
        metavar="STORE",
        autocompletion=stores,
        help="Stores to draw (.zarr, .zarr.zip, .h5 or .hdf5), or their URLs.",
    ),
]
Making = Annotated[
    bool,
    typer.Option("--making", help="Show how a store condensed with --snapshots was made."),
]
Out = Annotated[
    str, typer.Option("--out", metavar="FILE", help="File to write: .png, .pdf, .svg, .gif or .mp4.")
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        autocompletion=one_of(*KINDS_OF_PREVIEW),
        help="Kind of picture: sheet, film, timeline, storage, cosine or flow.",
        show_default="film for .gif and .mp4, else sheet",
    ),
]
Rebuilt = Annotated[
    str,
    _looks(
        metavar="dim|blank|noise|full",
        autocompletion=one_of("dim", "blank", "noise", "full"),
        help="How to show frames between key frames.",
    ),
]
Rows = Annotated[int | None, _looks(min=1, max=200, metavar="N", help="Clips per page of a sheet.")]
Theme = Annotated[
    str, _looks(metavar="light|dark", help="Colour theme.", autocompletion=one_of("light", "dark"))
]
Fps = Annotated[float | None, _looks(help="Frames per second of a film.", show_default="the store's, else 8")]
Nearest = Annotated[bool, _looks("--nearest", help="Show the nearest real clip beside each clip of a film.")]
Events = Annotated[
    str | None,
    _looks(metavar="FILE", help="Log of the run, for --kind cosine.", show_default="STORE.events.jsonl"),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER|LIST",
        autocompletion=complete_dataset,
        help="Dataset of the real clips, for --nearest.",
        show_default="the store's",
    ),
]
