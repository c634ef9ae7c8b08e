"""Finds the files named in a list: videos with any suffix, or folders of frames."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dfs_store.errors import DatasetNotFoundError
from dfs_store.names import counted, printable
from dfs_store.videos.files.cliplist import ClipFile, ClipList
from dfs_store.videos.files.tree import VIDEO_SUFFIXES, Folder, outermost

__all__ = ["Finder", "inside", "listed_clips", "nothing_found", "only_present_classes"]


class _Names(NamedTuple):
    """The names in a folder, as they are, by case-folded name, and by stem."""

    exact: frozenset[str]
    folded: dict[str, str]
    stems: dict[str, list[str]]  # of videos


class Finder:
    """Looks up files by name. Each folder is listed only once.

    Args:
        places: folders that names are relative to, in order of preference.

    Attributes:
        unclear: folders that were found but whose frames are ambiguous, each with the reason.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._listings: dict[Path, _Names] = {}
        self.unclear: list[str] = []

    def find(self, name: str) -> Path | None:
        """Returns the video or folder of frames that a name in a list refers to, or None.

        The name of the file may differ in case, Unicode normalisation, suffix, and kind of slash. A number
        after the name of a folder is ignored, because lists of frame folders give the number of frames there.
        """
        if (found := self._named(name)) is not None:
            return found
        # A number after a video would be a second label, and two numbers would select some of the frames.
        numbered = re.fullmatch(r"(.*\S)[\s,]+\d+", name)
        found = None if numbered is None else self._named(numbered[1])
        return found if found is not None and found.is_dir() else None

    def _named(self, name: str) -> Path | None:
        for spelled in _spellings(name):
            for place in self._places:
                if (path := self._in_folder(place / spelled)) is not None:
                    return path
        return None

    def _in_folder(self, path: Path) -> Path | None:
        names = self._names_in(path.parent)
        stem, suffix = os.path.splitext(path.name)
        if suffix.lower() not in VIDEO_SUFFIXES:
            stem = path.name
        for actual in (
            path.name if path.name in names.exact else None,
            names.folded.get(_folded(path.name)),
            *names.stems.get(_folded(stem), ()),
            names.folded.get(_folded(stem)),
        ):
            if actual is not None and (found := self._clip(path.parent / actual)) is not None:
                return found
        return None

    def _clip(self, path: Path) -> Path | None:
        if path.is_file():
            return path
        if not path.is_dir():
            return None
        folders, _, _ = outermost(folder for folder in Folder(path).walk() if folder.is_clip)
        if len(folders) == 1:
            if folders[0].unclear:
                self.unclear.append(f"{printable(str(path))}: {folders[0].unclear}")
            return folders[0].path
        return None

    def _names_in(self, folder: Path) -> _Names:
        if folder not in self._listings:
            try:
                names = sorted(os.listdir(folder))
            except (OSError, ValueError):
                names = []
            stems: dict[str, list[str]] = {}
            for name in names:
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in VIDEO_SUFFIXES:
                    stems.setdefault(_folded(stem), []).append(name)
            self._listings[folder] = _Names(frozenset(names), {_folded(name): name for name in names}, stems)
        return self._listings[folder]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _spellings(name: str) -> list[str]:
    """Returns the paths that a name in a list may refer to, most likely first."""
    found = [name]
    if "\\" in name:
        found.append(name.replace("\\", "/"))
    found += [each.lstrip("/") for each in found if each.startswith("/")]  # may be relative to the dataset
    for each in list(found):
        try:  # the file name on disk may not be UTF-8
            found.append(os.fsdecode(each.encode("cp1252")))
        except UnicodeEncodeError:
            continue
    return [each for each in dict.fromkeys(found) if each and "\0" not in each]


def listed_clips(
    root: Path, videos: Path, named: Iterable[tuple[str, str]], source: str, *, also: Sequence[Path] = ()
) -> ClipList:
    """Returns the clips for the listed videos that exist.

    Args:
        root: root of the dataset.
        videos: folder that the listed names are relative to.
        named: path and class of each video, as listed.
        source: name of the list, for error messages.
        also: more folders to search.

    Raises:
        DatasetNotFoundError: none of the videos exists.
    """
    entries = list(dict.fromkeys(named))
    finder = Finder([videos, *also])
    prefix = "" if videos == root else f"{videos.relative_to(root).as_posix()}/"
    clips, missing = [], []
    for entry, class_name in entries:
        found = finder.find(entry) or (finder.find(entry.rpartition("/")[2]) if "/" in entry else None)
        if found is None:
            missing.append(prefix + entry)
        else:
            clips.append(ClipFile(inside(root, found), class_name))
    if entries and not clips:
        raise nothing_found(missing, source, videos)
    classes = sorted({class_name for _, class_name in entries})
    ordered = sorted(clips, key=lambda clip: clip.class_name)
    return ClipList(root, ordered, classes, missing, remarks=finder.unclear)


def inside(root: Path, path: Path) -> str:
    """Returns a path relative to the root, or unchanged if it is outside. Uses forward slashes."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def nothing_found(missing: Sequence[str], source: str, folder: Path) -> DatasetNotFoundError:
    """Returns the error for a list none of whose files exist. Its message names a clip in the folder."""
    content = "does not exist"
    if folder.is_dir():
        there = [
            path for each in Folder(folder).all_below() for path in each.videos + [each.path] * each.is_clip
        ]
        first = f", first {printable(inside(folder, there[0]))}" if there else ""
        content = f"contains {counted(len(there), 'clip')}{first}" if there else "contains no videos"
    return DatasetNotFoundError(
        f"no file listed in {source} exists ({counted(len(missing), 'file')}, first {missing[0]}); {folder} "
        f"{content}"
    )


def only_present_classes(found: ClipList, videos: Path) -> ClipList:
    """Excludes classes that have neither clips nor a folder, so that part of a dataset can be used."""
    there = {clip.class_name for clip in found.clips}
    present = [name for name in found.classes if name in there or (videos / name).is_dir()]
    absent = sorted(set(found.classes) - set(present))
    missing = [file for file in found.missing if not set(file.split("/")) & set(absent)]
    return replace(found, classes=present, missing=missing, absent_classes=absent)
