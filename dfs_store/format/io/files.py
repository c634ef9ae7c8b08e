"""Reads files that may be malicious: only regular files inside the store, and never beyond their end.

All readers use a `ByteSource`: a mapped file, a member of an archive, or ranges of a remote object.
"""

import contextlib
import errno
import mmap
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, DFSError, StoreUnreachableError
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.format.io.reading import open_found

__all__ = [
    "ByteSource",
    "Bytes",
    "MappedFile",
    "Window",
    "folder_size_bytes",
    "inside",
    "opened",
    "read_at",
]

Opened = TypeVar("Opened")
Bytes = npt.NDArray[np.uint8]


class ByteSource:
    """The bytes of one local or remote file. Arrays are (n,) uint8 and read-only.

    Attributes:
        size_bytes: size of the file.
        failure: last error of the server, for callers whose library replaced the original error.
    """

    size_bytes: int
    failure: StoreUnreachableError | None = None

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns ranges of bytes, requested all at once.

        Raises:
            DamagedStoreError: the file is too short, or was truncated after it was opened.
            StoreUnreachableError: the server does not answer.
        """
        raise NotImplementedError

    def part(self, start: int, stop: int) -> Bytes:
        """Returns bytes start..stop. Remote blocks are cached until `forget`. See `parts` for errors."""
        return self.parts([(start, stop)])[0]

    def bytes(self) -> Bytes:
        """Returns the whole file. Raises the errors of `parts`."""
        return self.part(0, self.size_bytes)

    def forget(self) -> None:
        """Clears the cache."""

    def was_replaced(self) -> bool:
        """Returns whether the file has been replaced by another. Takes one request for a remote file."""
        return False


def inside(root: str, relative: str) -> tuple[str, int]:
    """Returns the path, with no link at its end, and the size in bytes of a regular file of a store.

    Args:
        root: real path of the store, with links resolved.
        relative: path of the file in the store.

    Raises:
        DamagedStoreError: the file is missing, not a regular file (a pipe would block), or a link to a path
            outside the store (which would expose another file).
    """
    path = os.path.join(root, relative)
    try:
        # Component by component, since resolving links takes most of the time to open a store.
        step, linked = root, False
        for part in relative.split("/"):
            step = os.path.join(step, part)
            found = os.lstat(step)
            linked |= stat.S_ISLNK(found.st_mode)
        if linked:
            real = os.path.realpath(path)
            if not real.startswith(root.rstrip(os.sep) + os.sep):
                raise DamagedStoreError(
                    f"{path}: links to {real}, outside the store; a store must contain all its files"
                )
            path, found = real, os.stat(real)
    except OSError as error:
        raise DamagedStoreError(f"{path}: missing or unreadable ({error.strerror})") from error
    if not stat.S_ISREG(found.st_mode):
        raise DamagedStoreError(f"{path}: must be a regular file")
    if problem := pointer_problem(path, found.st_size):
        raise DamagedStoreError(f"{path}: {problem}")
    return path, found.st_size


def read_at(path: str, offset: int, count_bytes: int) -> bytes:
    """Returns `count_bytes` of a file.

    Raises:
        DamagedStoreError: the file is too short, or cannot be read.
    """
    try:
        with opened(path, lambda name: open_found(name, follow=False)) as file:
            file.seek(offset)
            data = file.read(count_bytes)
    except OSError as error:
        raise DamagedStoreError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) != count_bytes:
        raise DamagedStoreError(
            f"{path}: ends after {offset + len(data):,} bytes, before {count_bytes:,} more"
        )
    return data


def opened(path: str, act: Callable[[str], Opened]) -> Opened:
    """Opens a file, raising this process's limit of open files if needed.

    Raises:
        OSError: the file cannot be opened.
        DFSError: the process or the system is out of resources, which is not an error of the store.
    """
    try:
        return act(path)
    except OSError as error:
        _raise_for_room(path, error)
        if error.errno != errno.EMFILE:
            raise
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS reports an infinite limit that cannot be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return act(path)  # another thread may have raised the limit first
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise DFSError(
            f"{path}: cannot be opened, since this process already has the maximum of {soft:,} open files; "
            "a store needs one per file of key_frames: raise the limit (ulimit -n), or open fewer stores"
        ) from error


def _raise_for_room(path: str, error: OSError) -> None:
    if error.errno in (errno.ENOMEM, errno.ENFILE):
        raise DFSError(
            f"{path}: cannot be opened, the system is out of resources ({error.strerror})"
        ) from error


def _map(path: str) -> mmap.mmap:
    # What was a file when it was checked may have become a pipe, or a link to another file.
    with open_found(path, follow=False) as file:
        # It keeps a descriptor of its own, one per file of a store: a hundred for 400,000 key frames.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class MappedFile(ByteSource):
    """A mapped file. Its bytes are views, which stay valid if the path is replaced.

    Args:
        path: path of the file, which is not a link.

    Raises:
        DamagedStoreError: the file is empty, or cannot be mapped.
        DFSError: this process cannot open more files.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._map = opened(path, _map)
        except (OSError, ValueError) as error:
            raise DamagedStoreError(f"{path}: cannot be mapped ({error})") from error
        self._bytes = np.frombuffer(self._map, dtype=np.uint8)
        self.size_bytes = self._bytes.size

    def bytes(self) -> Bytes:
        """Returns a view of the whole file. Raises if it was truncated, which would crash the process."""
        if self._map.size() < self.size_bytes:
            raise DamagedStoreError(f"{self._path}: was truncated after the store was opened")
        return self._bytes

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns ranges of bytes as views."""
        content = self.bytes()
        return [content[start:stop] for start, stop in spans]


class Window(ByteSource):
    """Bytes start..start + size_bytes of another source."""

    def __init__(self, source: ByteSource, start: int, size_bytes: int) -> None:
        self._source, self._start = source, start
        self.size_bytes = size_bytes

    def part(self, start: int, stop: int) -> Bytes:
        """Returns bytes start..stop of the window."""
        if stop > self.size_bytes:
            raise DamagedStoreError(f"a member ends after {self.size_bytes:,} bytes, {stop:,} are needed")
        return self._source.part(self._start + start, self._start + stop)

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns ranges of the window."""
        return [self.part(*span) for span in spans]


def folder_size_bytes(root: Path) -> int:
    """Returns the total size of all files below a folder. Links are not followed."""
    total = 0
    for folder, _, names in os.walk(root):
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return total
