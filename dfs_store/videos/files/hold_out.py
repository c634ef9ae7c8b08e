"""Which training clips are held out: whole groups, so that no held-out clip has siblings among the others.

A group is the clips that were cut from one recording: the group gNN of UCF101, the source video of HMDB51.
In other datasets every clip is its own group.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from dfs_store.errors import SettingsError

__all__ = ["check_share", "group_of_file", "held_out_groups"]

_UCF_NAME = re.compile(r"v_.+_(?P<group>g\d+)_c\d+", re.IGNORECASE)
# <source video>_<action>_<body parts>_<camera>_<people>_<view>_<quality>_<number>, as HMDB51 names its clips.
_HMDB_NAME = re.compile(r"(?P<group>.+)_[a-z]+_(nm|cm)_np\d+_[a-z]+_(goo|med|bad)_\d+", re.IGNORECASE)
_NAMES = {"ucf": _UCF_NAME, "hmdb": _HMDB_NAME}


def group_of_file(layout: str, class_name: str, file: str) -> str:
    """Returns the group of a clip within its class.

    Args:
        layout: of the dataset, as in `DatasetInfo`.
        class_name: of the clip.
        file: path of the clip inside the dataset, with forward slashes.
    """
    found = _NAMES[layout].fullmatch(PurePosixPath(file).stem) if layout in _NAMES else None
    if found is None:
        return file
    return found["group"].removesuffix(f"_{class_name}")


def check_share(share: float) -> None:
    """Raises SettingsError unless the share is between 0 and 1, both excluded."""
    if not 0 < share < 1:
        raise SettingsError(f"--hold-out must be a share between 0 and 1, got {share}")


def held_out_groups(class_name: str, groups: Iterable[str], share: float) -> set[str]:
    """Returns the groups of a class that are held out.

    A group is held out if the SHA-256 of its class and its name, read as a fraction of 1, is below the share.
    So the choice does not depend on which other clips, groups and classes there are, and a larger share holds
    out the same groups and more. If this would hold out all groups, the one with the highest fraction is
    kept; if none, the one with the lowest is held out.

    Args:
        class_name: of the groups.
        groups: names; repeated ones count once.
        share: of the groups to hold out, met approximately.

    Raises:
        SettingsError: the share is not between 0 and 1, or the class has a single group.
    """
    check_share(share)
    fractions = {group: _fraction(class_name, group) for group in groups}
    if len(fractions) < 2:
        raise SettingsError(
            f"--hold-out {share:g} needs at least two groups of clips in every class, one to hold out and "
            f"one to condense; class {class_name!r} has {len(fractions)}. Clips cut from one video are one "
            "group. Leave the class out with --classes, or remove --hold-out"
        )
    held = {group for group, fraction in fractions.items() if fraction < share}
    if not held:
        return {min(fractions, key=fractions.__getitem__)}
    if len(held) == len(fractions):
        held.remove(max(fractions, key=fractions.__getitem__))
    return held


def _fraction(class_name: str, group: str) -> float:
    digest = hashlib.sha256(f"{class_name}\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
