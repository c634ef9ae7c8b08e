"""Clips stored as folders of images, one file per frame, ordered by the numbers in the file names."""

import os
from pathlib import Path

from dfs_store.errors import DecodeError
from dfs_store.videos.files.picture_sequences import PICTURE_SUFFIXES, picture_sequence

__all__ = ["folder_status", "pictures_of"]


def pictures_of(folder: str | os.PathLike[str]) -> list[Path]:
    """Returns the frames in a folder, ordered by the numbers in their names, so that 2 is before 10.

    Raises:
        DecodeError: the file names have several patterns, and it is unclear which files are the frames.
    """
    return [Path(folder, name) for name in picture_sequence(_pictures_in(folder)).names]


def folder_status(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns the total size of the frames in bytes, and the newest modification time in nanoseconds."""
    try:
        pictures = pictures_of(folder)
    except DecodeError:  # decoding reports the error
        pictures = [Path(folder, name) for name in _pictures_in(folder)]
    found = [picture.stat() for picture in pictures]
    return sum(each.st_size for each in found), max((each.st_mtime_ns for each in found), default=0)


def _pictures_in(folder: str | os.PathLike[str]) -> list[str]:
    with os.scandir(folder) as entries:
        return [
            entry.name
            for entry in entries
            if os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES
            and not entry.name.startswith(".")
            and entry.is_file()
        ]
