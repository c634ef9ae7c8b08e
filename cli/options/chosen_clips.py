"""Options that select clips of a store: --classes, --clips, --per-class."""

from typing import TYPE_CHECKING, Annotated

import typer

from .shared import class_list

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore

CHOICE = "Which clips"

Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        "--class",
        metavar="NAME,NAME",
        help="Show clips of these classes.",
        rich_help_panel=CHOICE,
    ),
]
Clips = Annotated[
    str | None,
    typer.Option(
        "--clips",
        "--clip",
        metavar="N,N-M",
        help="Show clips with these numbers: 0,7,20-25.",
        rich_help_panel=CHOICE,
    ),
]
PerClass = Annotated[
    int | None,
    typer.Option(
        "--per-class",
        min=1,
        metavar="N",
        help="Show the first N clips of each class.",
        rich_help_panel=CHOICE,
    ),
]


def chosen_clips(
    store: "KeyFrameStore", classes: str | None, clips: str | None, per_class: int | None
) -> list[int]:
    """Returns the numbers of the selected clips (all by default) in the order of the store.

    Raises:
        SettingsError: a class or clip is not in the store, or no clip is left.
    """
    from dfs_store.errors import SettingsError
    from dfs_store.names import known_name

    numbers = range(len(store)) if clips is None else sorted(_numbers(clips, len(store)))
    names = class_list(classes)
    kept = None if names is None else {known_name(name, store.class_names, "--classes") for name in names}
    chosen, taken = [], dict[str, int]()
    for clip in numbers:
        name = store.class_names[int(store.labels[clip])]
        taken[name] = taken.get(name, 0) + (kept is None or name in kept)
        if (kept is None or name in kept) and (per_class is None or taken[name] <= per_class):
            chosen.append(clip)
    if not chosen:
        raise SettingsError(
            f"{store.path} has no clip that matches both --classes {classes} and --clips {clips}"
        )
    return chosen


def _numbers(text: str, num_clips: int) -> set[int]:
    from dfs_store.errors import SettingsError

    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SettingsError(f"--clips takes numbers and ranges, 0,7,20-25, got {part!r}")
        span = range(int(first), int(last if dash else first) + 1)
        if not span or span[-1] >= num_clips:
            raise SettingsError(f"--clips must lie in 0..{num_clips - 1}, got {part!r}")
        found.update(span)
    return found
