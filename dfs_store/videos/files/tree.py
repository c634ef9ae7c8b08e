"""Reads folders lazily: their videos, frames and subfolders, and the files that are skipped."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from dfs_store.errors import DecodeError
from dfs_store.names import counted, printable
from dfs_store.videos.files.picture_sequences import (
    PICTURE_SUFFIXES,
    PictureSequence,
    picture_sequence,
    rgb_of,
)

__all__ = ["VIDEO_SUFFIXES", "Folder", "is_ignored", "outermost"]

_SUFFIXES_TEXT = """
.264 .265 .3g2 .3gp .apng .asf .avi .av1 .divx .dv .f4v .flv .gif .h264 .h265 .hevc .ivf .m1v .m2t .m2ts
.m2v .m4v .mjpeg .mjpg .mk3d .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mpv .mts .mxf .nut .obu .ogm .ogv .ogx .qt
.rm .rmvb .tod .ts .vob .webm .wmv .wtv .xvid .y4m
"""
VIDEO_SUFFIXES = frozenset(_SUFFIXES_TEXT.split())
# Files and folders that operating systems and tools create.
_IGNORED = frozenset(
    {"__macosx", "@eadir", "lost+found", "$recycle.bin", "recycler", "recycled", "system volume information"}
    | {"#recycle", "@recycle", "@recently-snapshot", "#snapshot", "@tmp", "__pycache__", "found.000"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)
# Files that describe the frames in the same folder.
_ABOUT_FRAMES = frozenset({"n_frames", "n_frames.txt", "fps.txt", "timestamps.txt"})


def is_ignored(name: str) -> bool:
    """Whether a file or folder is skipped without a remark, because it is hidden or belongs to the system."""
    return name.startswith(".") or name.casefold() in _IGNORED


class _FolderContent(NamedTuple):
    folders: list[str]
    videos: list[str]
    frames: PictureSequence | None
    unclear: str  # why images are not used as frames
    others: Counter[str]  # number of other files by suffix
    num_pictures: int


class Folder:
    """A folder and its content. Links are followed, except links to a parent folder.

    Attributes:
        path: path of the folder.
        name: printable name.
        loops: links in the folder that lead to a parent folder. Empty until `folders` is read.
    """

    def __init__(self, path: Path, above: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.path = path
        self.name = printable(path.name)
        self._above = above
        self.loops: list[Path] = []

    @cached_property
    def identity(self) -> tuple[int, int]:
        """The folder's device and inode number, which are the same for every path that leads to it."""
        status = self.path.stat()
        return status.st_dev, status.st_ino

    @cached_property
    def folders(self) -> list["Folder"]:
        """The subfolders sorted by name, without ignored folders and links to a parent folder."""
        above = self._above | {self.identity}
        found = [Folder(self.path / name, above) for name in self._content.folders]
        self.loops = [folder.path for folder in found if folder.identity in above]
        return [folder for folder in found if folder.identity not in above]

    @property
    def videos(self) -> list[Path]:
        """The videos directly in the folder, sorted by name."""
        return [self.path / name for name in self._content.videos]

    @property
    def frames(self) -> PictureSequence | None:
        """The frames among the images directly in the folder, without their names; None if there are none."""
        return self._content.frames

    @property
    def unclear(self) -> str:
        """The reason that the images are not a clip's frames; "" if they are, or if there are no images."""
        return self._content.unclear

    @property
    def num_pictures(self) -> int:
        """Number of images directly in the folder."""
        return self._content.num_pictures

    @property
    def others(self) -> Counter[str]:
        """Number of files directly in the folder that are neither videos nor images, by suffix."""
        return self._content.others

    @property
    def is_clip(self) -> bool:
        """Whether the folder contains images, which are the frames of a clip unless `unclear` is set."""
        return self.num_pictures > 0

    @cached_property
    def parts(self) -> tuple[list["Folder"], list["Folder"], str]:
        """The subfolders to read, the subfolders to skip, and the reason if none can be read, or ""."""
        try:
            _, left = rgb_of(folder.name for folder in self.folders if not folder.is_empty)
        except DecodeError as error:
            return [], self.folders, str(error)
        chosen = [folder for folder in self.folders if folder.name not in left]
        return chosen, [folder for folder in self.folders if folder.name in left], ""

    @cached_property
    def is_empty(self) -> bool:
        """Whether the folder and all its subfolders contain no clips."""
        return not any(folder.videos or folder.is_clip for folder in self.all_below())

    def all_below(self) -> Iterator["Folder"]:
        """Yields the folder and all its subfolders, each only once even if several links lead to it."""
        yield from self._below(lambda folder: folder.folders)

    def walk(self) -> Iterator["Folder"]:
        """Yields the folder and the subfolders that may contain clips, rather than optical flow or depth."""
        yield from self._below(lambda folder: folder.parts[0])

    def _below(self, inside: Callable[["Folder"], list["Folder"]]) -> Iterator["Folder"]:
        seen, left = set[tuple[int, int]](), [self]
        while left:
            folder = left.pop()
            if folder.identity not in seen:
                seen.add(folder.identity)
                yield folder
                left += reversed(inside(folder))

    @cached_property
    def _content(self) -> _FolderContent:
        folders, videos, pictures, others = [], [], [], Counter[str]()
        with os.scandir(self.path) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if is_ignored(entry.name):
                    continue
                # `entry.is_dir()` raises an error for a link to itself.
                if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                    folders.append(entry.name)
                elif not os.path.isfile(entry.path):
                    # Reading a pipe or a device would block.
                    others["broken links" if entry.is_symlink() else "pipes and devices"] += 1
                elif suffix in VIDEO_SUFFIXES:
                    videos.append(entry.name)
                elif suffix in PICTURE_SUFFIXES:
                    pictures.append(entry.name)
                elif entry.name.lower() not in _ABOUT_FRAMES:
                    others[suffix if re.fullmatch(r"\.\w{1,12}", suffix) else "no suffix"] += 1
        frames, unclear = None, ""
        if pictures:
            try:
                # Names are not kept, because there may be millions.
                frames = picture_sequence(pictures)._replace(names=[])
            except DecodeError as error:
                unclear = str(error)
        return _FolderContent(sorted(folders), sorted(videos), frames, unclear, others, len(pictures))


def outermost(clips: Iterable[Folder]) -> tuple[list[Folder], list[Folder], list[str]]:
    """Separates clip folders from folders of images inside them, such as thumbnails.

    Args:
        clips: folders of images, each before its subfolders.

    Returns:
        The clips; the folders inside them, which have no more images than the clips; and the reasons why
        other folders are not clips, usually because an image is next to a folder of frames.
    """
    groups: list[list[Folder]] = []
    for folder in clips:
        if groups and folder.path.is_relative_to(groups[-1][0].path):
            groups[-1].append(folder)
        else:
            groups.append([folder])
    found, beside, unclear = [], list[Folder](), []
    for outer, *inner in groups:
        largest = max(inner, key=lambda folder: folder.num_pictures, default=outer)
        if largest.num_pictures > outer.num_pictures:
            unclear.append(
                f"{outer.path} has {counted(outer.num_pictures, 'image')} and its subfolder {largest.name} "
                f"has {largest.num_pictures:,}, so it is unclear which are the frames; keep only one kind "
                "of image per folder"
            )
        else:
            found.append(outer)
            beside += inner
    return found, beside, unclear
