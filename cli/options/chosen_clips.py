"""Options that select clips in a store: --classes, --clips, --per-class."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dfs_store.names import counted

from .shared import class_list

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore

_choice = partial(typer.Option, rich_help_panel="Choice of clips")

Classes = Annotated[
    str | None, _choice("--classes", "--class", metavar="NAME,NAME", help="Show only clips of these classes.")
]
Clips = Annotated[
    str | None,
    _choice("--clips", "--clip", metavar="N,N-M", help="Show only these clips, for example 0,7,20-25."),
]
PerClass = Annotated[
    int | None, _choice("--per-class", min=1, metavar="N", help="Show only the first N clips of each class.")
]


def chosen_clips(
    store: "KeyFrameStore", classes: str | None, clips: str | None, per_class: int | None
) -> list[int]:
    """Returns the numbers of the selected clips (all by default) in the order of the store.

    Raises:
        SettingsError: a class or clip is not in the store, or no clip matches.
    """
    from dfs_store.errors import SettingsError
    from dfs_store.names import known_name

    ranges = [range(len(store))] if clips is None else clip_ranges(clips, "--clips")
    if (last := max(each.stop for each in ranges) - 1) >= len(store):
        raise SettingsError(f"--clips must be in 0..{len(store) - 1}, got {last}")
    numbers = sorted(set().union(*ranges))
    names = class_list(classes)
    kept = None if names is None else {known_name(name, store.class_names, "--classes") for name in names}
    chosen, taken = [], dict[str, int]()
    for clip in numbers:
        name = store.class_names[int(store.labels[clip])]
        taken[name] = taken.get(name, 0) + (kept is None or name in kept)
        if (kept is None or name in kept) and (per_class is None or taken[name] <= per_class):
            chosen.append(clip)
    if not chosen:
        given = {"--classes": classes, "--clips": clips}
        asked = " and ".join(f"{flag} {value}" for flag, value in given.items() if value is not None)
        raise SettingsError(f"{store.path} has no clips that match {asked}; choose other clips or classes")
    return chosen


def clips_as_in(one: "KeyFrameStore", clips: list[int], other: "KeyFrameStore") -> list[int]:
    """Returns the numbers of the corresponding clips in another store: same class, same place in the class.

    Raises:
        SettingsError: a clip has no counterpart in the other store.
    """
    import numpy as np

    from dfs_store.errors import SettingsError

    found = []
    for clip in clips:
        label = int(one.labels[clip])
        name, place = one.class_names[label], int(np.count_nonzero(one.labels[:clip] == label))
        same = np.flatnonzero(np.array(other.class_names)[other.labels] == name)
        if place >= len(same):
            raise SettingsError(
                f"clip {clip} of {one.path} is number {place + 1} of class {name!r}, but {other.path} has "
                f"only {counted(len(same), 'clip')} of that class; choose other clips with --clips"
            )
        found.append(int(same[place]))
    return found


def clip_ranges(text: str, flag: str) -> list[range]:
    """Parses "3,17,20-25" into ranges of clip numbers.

    Raises:
        SettingsError: the text does not have this form, or a range is descending.
    """
    from dfs_store.errors import SettingsError

    ranges = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) < int(first):
            raise SettingsError(f"{flag} must be clip numbers and ranges such as 0,7,20-25, got {text!r}")
        ranges.append(range(int(first), int(last or first) + 1))
    return ranges
