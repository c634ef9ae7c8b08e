"""The options of `dfs preview`, by name."""

from typing import Annotated

import typer

from .._completion import KINDS_OF_PREVIEW, complete_dataset, one_of

LOOKS = "How it looks"

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
    typer.Option(
        metavar="dim|blank|noise|full",
        autocompletion=one_of("dim", "blank", "noise", "full"),
        help="How to show frames between key frames.",
        rich_help_panel=LOOKS,
    ),
]
Rows = Annotated[
    int | None,
    typer.Option(min=1, max=200, metavar="N", help="Clips per page of a sheet.", rich_help_panel=LOOKS),
]
Theme = Annotated[
    str,
    typer.Option(
        metavar="light|dark",
        help="Colour theme.",
        autocompletion=one_of("light", "dark"),
        rich_help_panel=LOOKS,
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="Frames per second of a film.", show_default="the store's, else 8", rich_help_panel=LOOKS
    ),
]
Nearest = Annotated[
    bool,
    typer.Option(
        "--nearest", help="Show the nearest real clip next to each clip of a film.", rich_help_panel=LOOKS
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Log of the run, for cosine.",
        show_default="STORE.events.jsonl",
        rich_help_panel=LOOKS,
    ),
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
