"""The list of the videos of one split: built by `layouts`, checked and narrowed here."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfs_store.errors import EmptyClassError, SettingsError
from dfs_store.names import counted, did_you_mean

__all__ = ["ClipFile", "ClipList", "check_classes", "keep_classes", "number_as", "some"]


@dataclass(frozen=True)
class ClipFile:
    """One video of a dataset.

    Attributes:
        file: path inside the root, with forward slashes; of a folder where the clip is one of pictures.
        class_name: name of its class.
    """

    file: str
    class_name: str


@dataclass(frozen=True)
class ClipList:
    """The videos of one split, as its lists or folders name them.

    Attributes:
        root: the folder that the files' paths start from.
        clips: the videos that exist, by class and then in the order of list or name.
        classes: names; label i is classes[i]. In Python's sort order, but numbers in theirs.
        missing: files that a list names and that do not exist.
        absent_classes: classes that a list names and that have no folder at all; they are left out.
        remarks: how the folders or lists were understood, and what was passed over, a sentence each.
    """

    root: Path
    clips: list[ClipFile]
    classes: list[str]
    missing: list[str] = field(default_factory=list)
    absent_classes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def keep_classes(found: ClipList, classes: Iterable[str]) -> ClipList:
    """Returns the part of a list that belongs to some classes.

    Raises:
        SettingsError: a class is not there, or none is given.
    """
    wanted = set(classes)
    if not wanted:
        raise SettingsError("classes must name at least one class, got none")
    if unknown := sorted(wanted - set(found.classes)):
        raise SettingsError(
            f"no such class: {some(unknown)}; the {len(found.classes)} classes are {some(found.classes, 120)}"
            f"{did_you_mean(unknown[0], found.classes)}"
        )
    return replace(
        found,
        clips=[clip for clip in found.clips if clip.class_name in wanted],
        classes=[name for name in found.classes if name in wanted],
        missing=[file for file in found.missing if any(part in wanted for part in file.split("/"))],
    )


def number_as(found: ClipList, training: ClipList) -> ClipList:
    """Returns test clips whose classes are numbered as those of the training clips, whatever they lack.

    Raises:
        SettingsError: there are test clips of a class without training clips.
    """
    if unknown := sorted(set(found.classes) - set(training.classes) - set(training.absent_classes)):
        raise SettingsError(
            f"the test clips in {found.root} have classes that the training clips lack: {some(unknown)} "
            f"(those have {some(training.classes)}). Every class needs training clips"
        )
    there = {clip.class_name for clip in found.clips}
    without = [name for name in training.classes if name not in there]
    clips = [clip for clip in found.clips if clip.class_name in set(training.classes)]
    remarks = list(found.remarks)
    if without and clips:
        remarks.append(
            f"{len(without)} of {len(training.classes)} classes have no test clips and are not tested: "
            f"{some(without)}"
        )
    return replace(found, clips=clips, classes=training.classes, remarks=remarks)


def check_classes(found: ClipList, split: str) -> None:
    """Raises EmptyClassError if there are no clips, or if a class has no training clips."""
    counts = Counter(clip.class_name for clip in found.clips)
    empty = [name for name in found.classes if not counts[name]]
    seen = "".join(f". {remark}" for remark in found.remarks)
    if not found.classes or not found.clips:
        raise EmptyClassError(f"there are no video files of the split {split!r} in {found.root}{seen}")
    if empty and split == "train":
        absent = (
            f"; missing: {counted(len(found.missing), 'listed file')}, first {found.missing[0]}"
            if found.missing
            else ""
        )
        raise EmptyClassError(
            f"no clip of the split {split!r} for {some(empty)} in {found.root} ({len(empty)} of "
            f"{len(found.classes)} classes are empty{absent}). Add the videos, or leave these classes out "
            f"with --classes{seen}"
        )


def some(names: Iterable[str], most: int = 12) -> str:
    """Returns names joined for a message, cut short when there are many."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest
