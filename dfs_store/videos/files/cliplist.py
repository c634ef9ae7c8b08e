"""The list of the videos of one split: built by `layouts`, checked and narrowed here."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfs_store.errors import DatasetNotFoundError, EmptyClassError, SettingsError
from dfs_store.names import did_you_mean
from dfs_store.videos.decode.frame_folder import is_frame_folder

__all__ = [
    "ClipFile",
    "ClipList",
    "check_classes",
    "folder_clips",
    "keep_classes",
    "listed_clips",
    "only_present_classes",
    "some",
    "subfolders",
]

_SUFFIXES = ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv"
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


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
        classes: names, in Python's sort order; label i is classes[i].
        missing: files that a list names and that do not exist.
        absent_classes: classes that a list names and that have no folder at all; they are left out.
    """

    root: Path
    clips: list[ClipFile]
    classes: list[str]
    missing: list[str] = field(default_factory=list)
    absent_classes: list[str] = field(default_factory=list)


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
    return ClipList(
        found.root,
        [clip for clip in found.clips if clip.class_name in wanted],
        sorted(wanted),
        [file for file in found.missing if any(part in wanted for part in file.split("/"))],
        found.absent_classes,
    )


def check_classes(found: ClipList, split: str) -> None:
    """Raises EmptyClassError if a class has no clip at all."""
    counts = Counter(clip.class_name for clip in found.clips)
    empty = [name for name in found.classes if not counts[name]]
    if not found.classes or not found.clips:
        raise EmptyClassError(f"there are no video files of the split {split!r} in {found.root}")
    if empty:
        absent = f"; {len(found.missing)} files of its lists do not exist" if found.missing else ""
        raise EmptyClassError(
            f"no clip of the split {split!r} for {some(empty)} in {found.root} ({len(empty)} of "
            f"{len(found.classes)} classes are empty{absent}). Add the videos, or leave these classes out "
            "with --classes"
        )


def subfolders(folder: Path) -> list[Path]:
    """Returns the folders in a folder by name, hidden ones left out; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def folder_clips(root: Path, folder: Path) -> ClipList:
    """Returns the videos (or folders of pictures) in the class folders of `folder`, by paths from `root`."""
    clips = [
        ClipFile(path.relative_to(root).as_posix(), class_folder.name)
        for class_folder in subfolders(folder)
        for path in _clips_under(class_folder)
    ]
    classes = sorted(path.name for path in subfolders(folder))
    if not classes:
        raise DatasetNotFoundError(
            f"{folder} has no class folders; it must hold <class>/<clips> or train|test/<class>/<clips>"
        )
    return ClipList(root, sorted(clips, key=lambda clip: (clip.class_name, clip.file)), classes)


def _clips_under(folder: Path) -> list[Path]:
    """Returns the videos under a class folder; where there are none, the folders of pictures in it."""
    return _videos_under(folder) or [
        Path(where, name)
        for where, names, _ in os.walk(folder)
        for name in names
        if not name.startswith(".") and is_frame_folder(os.path.join(where, name))
    ]


def _videos_under(folder: Path) -> list[Path]:
    found = []
    for where, _, names in os.walk(folder):
        found += [
            Path(where, name)
            for name in names
            if not name.startswith(".")
            and Path(name).suffix.lower() in VIDEO_SUFFIXES
            # No pipes or devices, which would be waited for, and no links that lead nowhere.
            and os.path.isfile(os.path.join(where, name))
        ]
    return sorted(found)


def listed_clips(root: Path, videos: Path, named: list[tuple[str, str]]) -> ClipList:
    """Returns the listed videos that exist; a name may differ from the file's in upper and lower case."""
    prefix = "" if videos == root else f"{videos.relative_to(root).as_posix()}/"
    listings: dict[str, dict[str, str]] = {}
    clips, missing = [], []
    for entry, class_name in dict.fromkeys(named):
        folder, _, name = entry.rpartition("/")
        if folder not in listings:
            listings[folder] = _names_in(videos / folder)
        listing = listings[folder]
        actual = name if listing.get(name) else listing.get(name.lower())
        if actual is None:
            missing.append(prefix + entry)
        else:
            clips.append(ClipFile(prefix + (f"{folder}/" if folder else "") + actual, class_name))
    classes = sorted({class_name for _, class_name in named})
    return ClipList(root, sorted(clips, key=lambda clip: clip.class_name), classes, missing)


def only_present_classes(found: ClipList, videos: Path) -> ClipList:
    """Leaves out the classes that a root has no folder for: a part of a dataset is a dataset."""
    present = [name for name in found.classes if (videos / name).is_dir()]
    absent = sorted(set(found.classes) - set(present))
    if not present:
        raise DatasetNotFoundError(
            f"{videos} has a folder for none of the {len(absent)} classes ({some(absent, 3)}, ...)"
        )
    missing = [file for file in found.missing if not set(file.split("/")) & set(absent)]
    return replace(found, classes=present, missing=missing, absent_classes=absent)


def _names_in(folder: Path) -> dict[str, str]:
    """Returns file names by themselves and by their lower-case form."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name.lower(): name for name in names} | {name: name for name in names}


def some(names: Iterable[str], most: int = 12) -> str:
    """Returns names joined for a message, cut short when there are many."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest
