"""Options that the exchange commands share: convert, merge, export and import."""

from typing import Annotated

import typer

Dtype = Annotated[
    str | None, typer.Option("--dtype", help="Of the stored key frames: float32, float16 or uint8.")
]
Classes = Annotated[str | None, typer.Option("--classes", metavar="A,B", help="Only these, commas between.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
