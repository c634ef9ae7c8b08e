"""The options of `dfs preview`, by name."""

from typing import Annotated

import typer

from .._completion import KINDS_OF_PREVIEW, complete_dataset, one_of, stores

LOOKS = "How it looks"

Stores = Annotated[
    list[str],
    typer.Argument(
        metavar="STORE...",
        autocompletion=stores,
        help="A .zarr, .zarr.zip, .h5 or .hdf5 store, or its URL; for several, a row each.",
    ),
]
Making = Annotated[
    bool,
    typer.Option("--making", help="A film of the run that made the store (condensed with --snapshots N)."),
]
Out = Annotated[
    str, typer.Option("--out", metavar="FILE", help="The picture: .png, .pdf, .svg, .gif or .mp4.")
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        autocompletion=one_of(*KINDS_OF_PREVIEW),
        help="sheet, film, timeline, storage, cosine or flow.",
        show_default="film for .gif and .mp4, else sheet",
    ),
]
Rebuilt = Annotated[
    str,
    typer.Option(
        metavar="dim|blank|noise|full",
        autocompletion=one_of("dim", "blank", "noise", "full"),
        help="Frames between key frames.",
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
        metavar="light|dark", help="Colours.", autocompletion=one_of("light", "dark"), rich_help_panel=LOOKS
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frames per second of a film (else the store's, or 8).", rich_help_panel=LOOKS),
]
Nearest = Annotated[
    bool,
    typer.Option(
        "--nearest", help="Next to each clip of a film its nearest real one.", rich_help_panel=LOOKS
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Log of the run, for cosine (else STORE.events.jsonl).",
        rich_help_panel=LOOKS,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER|LIST",
        autocompletion=complete_dataset,
        help="Real clips, for --nearest (else the store's).",
    ),
]
