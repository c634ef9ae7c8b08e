"""Options that the exchange commands share: convert, merge, export and import."""

from typing import Annotated

import typer

Dtype = Annotated[
    str | None, typer.Option("--dtype", help="Of the stored key frames: float32, float16 or uint8.")
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="webp|avif[:QUALITY]",
        help="Key frames as image files: webp[:75], avif[:60] or none.",
    ),
]
Classes = Annotated[str | None, typer.Option("--classes", metavar="A,B", help="Only these, commas between.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
