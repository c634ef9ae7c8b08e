"""Selects the training clips to hold out, in whole groups, so that no recording is in both parts.

The clips in a group were cut from one recording: a group gNN of UCF101, or a source video of HMDB51. In all
other datasets, every clip is its own group.
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
        layout: layout of the dataset, see `DatasetInfo`.
        class_name: class of the clip.
        file: path of the clip relative to the dataset, with forward slashes.
    """
    found = _NAMES[layout].fullmatch(PurePosixPath(file).stem) if layout in _NAMES else None
    if found is None:
        return file
    return found["group"].removesuffix(f"_{class_name}")


def check_share(share: float) -> None:
    """Raises SettingsError unless 0 < share < 1."""
    if not 0 < share < 1:
        raise SettingsError(f"--hold-out must be a share between 0 and 1, got {share}")


def held_out_groups(class_name: str, groups: Iterable[str], share: float) -> set[str]:
    """Returns the groups of a class to hold out.

    The SHA-256 of each group's class and name is mapped to a number in [0, 1), and groups with a number below
    `share` are held out. The choice therefore does not depend on other clips, groups or classes, and a larger
    share holds out the same groups and more. At least one group is held out (the one with the lowest number),
    and at least one is kept (the one with the highest).

    Args:
        class_name: class of the groups.
        groups: group names; duplicates are ignored.
        share: approximate fraction of the groups to hold out.

    Raises:
        SettingsError: the share is not between 0 and 1, or the class has only one group.
    """
    check_share(share)
    fractions = {group: _fraction(class_name, group) for group in groups}
    if len(fractions) < 2:
        raise SettingsError(
            f"--hold-out {share:g} needs at least two groups of clips in every class, but class "
            f"{class_name!r} has {len(fractions)} (clips cut from the same video form one group). Select "
            "the other classes with --classes, or remove --hold-out"
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
