"""Reading files that may be hostile: regular ones, inside the store, and never more than is there."""

import os
import stat
from pathlib import Path

from dfs_store.errors import DamagedStoreError

__all__ = ["folder_size_bytes", "inside", "read_at", "read_whole", "size_bytes"]


def inside(root: Path, relative: str) -> Path:
    """Returns the path of a regular file of a store.

    Raises:
        DamagedStoreError: it is missing, no regular file (a pipe would wait for ever), or a link that
            leads out of the store (which would show another file's contents).
    """
    path = root / relative
    real = os.path.realpath(path)
    if os.path.commonpath([real, os.path.realpath(root)]) != os.path.realpath(root):
        raise DamagedStoreError(f"{path}: leads out of the store, to {real}; a store must hold its own files")
    try:
        mode = os.stat(real).st_mode
    except OSError as error:
        raise DamagedStoreError(f"{path}: missing or unreadable ({error.strerror})") from error
    if not stat.S_ISREG(mode):
        raise DamagedStoreError(f"{path}: must be a regular file")
    return Path(real)


def size_bytes(root: Path, relative: str) -> int:
    """Returns the size of a file of a store; raises as `inside`."""
    return inside(root, relative).stat().st_size


def read_whole(root: Path, relative: str, limit_bytes: int) -> bytes:
    """Returns a file's contents; raises as `inside`, or when it is longer than `limit_bytes`."""
    path = inside(root, relative)
    size = path.stat().st_size
    if size > limit_bytes:
        raise DamagedStoreError(
            f"{root / relative}: has {size:,} bytes, more than the {limit_bytes:,} allowed"
        )
    return read_at(path, 0, size)


def read_at(path: Path, offset: int, count_bytes: int) -> bytes:
    """Returns `count_bytes` of a file.

    Raises:
        DamagedStoreError: the file ends before, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(count_bytes)
    except OSError as error:
        raise DamagedStoreError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) != count_bytes:
        raise DamagedStoreError(
            f"{path}: ends after {offset + len(data):,} bytes, before {count_bytes:,} more"
        )
    return data


def folder_size_bytes(root: Path) -> int:
    """Returns the sizes of all files below a folder, added up; links count as themselves."""
    total = 0
    for folder, _, names in os.walk(root):
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return total
