"""The list of videos in a split, which `layouts` creates and this module checks and filters."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfs_store.errors import EmptyClassError, SettingsError
from dfs_store.names import counted, did_you_mean, some

__all__ = ["ClipFile", "ClipList", "check_classes", "keep_classes", "number_as"]


@dataclass(frozen=True)
class ClipFile:
    """One video of a dataset.

    Attributes:
        file: path relative to the root, with forward slashes. The path is a folder if the frames are image
            files.
        class_name: name of the clip's class.
    """

    file: str
    class_name: str


@dataclass(frozen=True)
class ClipList:
    """The videos of one split.

    Attributes:
        root: the folder that paths are relative to.
        clips: the existing videos, sorted by class and then in the order of the list or of their names.
        classes: class names; label i is classes[i]. Words are in Python's sort order, numbers in numerical
            order.
        missing: files named in a list that do not exist.
        absent_classes: classes named in a list that are excluded because they have no folder.
        remarks: sentences on how the folders or lists were interpreted, and what was skipped.
    """

    root: Path
    clips: list[ClipFile]
    classes: list[str]
    missing: list[str] = field(default_factory=list)
    absent_classes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[int]:
        """Label of each clip."""
        number = {name: label for label, name in enumerate(self.classes)}
        return [number[clip.class_name] for clip in self.clips]


def keep_classes(found: ClipList, classes: Iterable[str]) -> ClipList:
    """Keeps only the clips of the given classes.

    Raises:
        SettingsError: a class does not exist, or no classes are given.
    """
    wanted = set(classes)
    if not wanted:
        raise SettingsError("classes must contain at least one class, got none")
    if unknown := sorted(wanted - set(found.classes)):
        raise SettingsError(
            f"unknown class: {some(unknown)}; the {counted(len(found.classes), 'class')} are "
            f"{some(found.classes, 120)}{did_you_mean(unknown[0], found.classes)}"
        )
    return replace(
        found,
        clips=[clip for clip in found.clips if clip.class_name in wanted],
        classes=[name for name in found.classes if name in wanted],
        missing=[file for file in found.missing if any(part in wanted for part in file.split("/"))],
    )


def number_as(found: ClipList, training: ClipList) -> ClipList:
    """Numbers the classes of test clips as in the training clips, including classes without test clips.

    Raises:
        SettingsError: a class has test clips but no training clips.
    """
    if unknown := sorted(set(found.classes) - set(training.classes) - set(training.absent_classes)):
        raise SettingsError(
            f"the test clips in {found.root} have classes without training clips: {some(unknown)}. The "
            f"training clips have the classes {some(training.classes)}. Add training clips, or remove these "
            "test clips"
        )
    there = {clip.class_name for clip in found.clips}
    without = [name for name in training.classes if name not in there]
    clips = [clip for clip in found.clips if clip.class_name in set(training.classes)]
    remarks = list(found.remarks)
    if without and clips:
        remarks.append(
            f"{len(without)} of {len(training.classes)} classes have no test clips and will not be tested: "
            f"{some(without)}"
        )
    return replace(found, clips=clips, classes=training.classes, remarks=remarks)


def check_classes(found: ClipList, split: str) -> None:
    """Raises EmptyClassError if a split has no clips, or if a class has no training clips."""
    counts = Counter(clip.class_name for clip in found.clips)
    empty = [name for name in found.classes if not counts[name]]
    seen = "".join(f". {remark}" for remark in found.remarks)
    if not found.classes or not found.clips:
        raise EmptyClassError(f"there are no videos for the split {split!r} in {found.root}{seen}")
    if empty and split == "train":
        absent = (
            f"; missing: {counted(len(found.missing), 'listed file')}, first {found.missing[0]}"
            if found.missing
            else ""
        )
        one_or_more, verb = ("class", "is") if len(empty) == 1 else ("classes", "are")
        raise EmptyClassError(
            f"the split {split!r} has no clips of {one_or_more} {some(map(repr, empty))} in {found.root} "
            f"({len(empty)} of {len(found.classes)} classes {verb} empty{absent}). Add the videos, or select "
            f"the other classes with --classes{seen}"
        )
