"""Recognises Git LFS pointers, which a clone contains instead of large files until they are fetched."""

import os
import re
from pathlib import Path

__all__ = ["pointer_problem"]

_MOST_BYTES = 1024  # size limit of a pointer
_START = b"version https://git-lfs.github.com/spec/"


def pointer_problem(path: str | os.PathLike[str], size_bytes: int | None = None) -> str | None:
    """Returns an error message if a file is a Git LFS pointer, otherwise None.

    Args:
        path: path of the file.
        size_bytes: size of the file in bytes, if known. Large files are not opened.
    """
    try:
        if size_bytes is None:
            size_bytes = os.stat(path).st_size
        if not len(_START) < size_bytes <= _MOST_BYTES or not Path(path).is_file():
            return None
        with open(path, "rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return None
    if not text.startswith(_START):
        return None
    found = re.search(rb"^size ([0-9]{1,18})$", text, re.MULTILINE)
    real = f", which has {int(found[1]):,} bytes" if found else ""
    return f"is a Git LFS pointer, not the file itself{real}; fetch the file with: git lfs pull"
