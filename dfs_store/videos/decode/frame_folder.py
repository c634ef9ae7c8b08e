"""A clip kept as a folder of pictures, one picture file per frame, in the order of their numbers."""

import os
import re
from pathlib import Path

__all__ = ["folder_status", "is_frame_folder", "pictures_of"]

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


def is_frame_folder(folder: str | os.PathLike[str]) -> bool:
    """Returns whether a folder itself, not one inside it, holds pictures."""
    with os.scandir(folder) as entries:
        return any(_is_picture(entry) for entry in entries)


def pictures_of(folder: str | os.PathLike[str]) -> list[Path]:
    """Returns the pictures of a folder in the order of the numbers in their names: 2 before 10."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _is_picture(entry)]
    return [Path(folder, name) for name in sorted(names, key=_by_numbers)]


def folder_status(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns the bytes of all pictures of a folder, and when the newest was changed, in nanoseconds."""
    found = [picture.stat() for picture in pictures_of(folder)]
    return sum(each.st_size for each in found), max((each.st_mtime_ns for each in found), default=0)


def _is_picture(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in _SUFFIXES:
        return False
    return entry.is_file()


def _by_numbers(name: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], name
