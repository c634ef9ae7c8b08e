"""Options that several commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; talk goes to stderr.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print more.")]
Device = Annotated[
    str, typer.Option("--device", help="auto (CUDA when present), cpu, cuda or cuda:N.", show_default=True)
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Root = Annotated[
    str | None,
    typer.Option("--root", help="Folder of the dataset's videos (else DFS_DATA).", metavar="DIR"),
]
Frames = Annotated[int | None, typer.Option("--frames", help="Frames per clip (T).")]
Stride = Annotated[int | None, typer.Option("--stride", help="Interval between sampled frames.")]
Size = Annotated[int | None, typer.Option("--size", help="Height and width of a clip in pixels.")]
Split = Annotated[int | None, typer.Option("--split", help="Official split, 1 to 3 (UCF101, HMDB51).")]
Classes = Annotated[
    str | None, typer.Option("--classes", help="Only these classes: names with commas between them.")
]


def class_list(classes: str | None) -> list[str] | None:
    """Splits the text of --classes into names; None stays None."""
    if classes is None:
        return None
    return [name.strip() for name in classes.split(",") if name.strip()]
