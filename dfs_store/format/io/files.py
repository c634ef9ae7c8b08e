"""Reads the files of possibly malicious stores: only regular files inside the store, never past their end.

All readers use a `ByteSource`: a memory-mapped file, a member of an archive, or a remote object.
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

from dfs_store.errors import (
    DamagedStoreError,
    DFSError,
    NotAStoreError,
    StoreNotFoundError,
    StoreUnreachableError,
)
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.format.io.place import collapsed_url
from dfs_store.format.io.reading import open_found

__all__ = [
    "ByteSource",
    "Bytes",
    "MappedFile",
    "Window",
    "folder_size_bytes",
    "inside",
    "missing",
    "opened",
    "read_at",
    "stat_store",
    "too_short",
]

Opened = TypeVar("Opened")
Bytes = npt.NDArray[np.uint8]


def missing(where: str, kind: str = "object") -> DamagedStoreError:
    """Returns the error for a missing object on a server, or a missing member of an archive."""
    return DamagedStoreError(f"{where} is missing or unreadable (no such {kind})")


def too_short(where: str, size_bytes: int, needed_bytes: int) -> DamagedStoreError:
    """Returns the error for a file that is shorter than needed."""
    return DamagedStoreError(f"{where} is truncated: it has {size_bytes:,} bytes, not {needed_bytes:,}")


def stat_store(place: Path) -> os.stat_result:
    """Returns the status of a store's file or folder.

    Raises:
        StoreNotFoundError: the path does not exist.
        NotAStoreError: the path cannot be accessed.
    """
    try:
        return os.stat(place)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreNotFoundError(f"{place}: there is no such store{collapsed_url(place)}") from error
    except OSError as error:
        raise NotAStoreError(f"{place} cannot be read ({error.strerror})") from error


class ByteSource:
    """The bytes of one local or remote file. Returned arrays are (n,) uint8 and read-only.

    Attributes:
        size_bytes: size of the file.
        failure: the server's last error, for callers whose library replaced the original error.
    """

    size_bytes: int
    failure: StoreUnreachableError | None = None

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns several ranges of bytes, all requested at once.

        Raises:
            DamagedStoreError: the file is too short, or was truncated after it was opened.
            StoreUnreachableError: the server does not respond.
        """
        raise NotImplementedError

    def part(self, start: int, stop: int) -> Bytes:
        """Returns bytes start..stop, and caches remote ones until `forget`. Raises the errors of `parts`."""
        return self.parts([(start, stop)])[0]

    def bytes(self) -> Bytes:
        """Returns the whole file. Raises the errors of `parts`."""
        return self.part(0, self.size_bytes)

    def forget(self) -> None:
        """Clears the cache."""

    def was_replaced(self) -> bool:
        """Returns whether the file has been replaced. Sends one request for a remote file."""
        return False


def inside(root: str, relative: str) -> tuple[str, int]:
    """Returns the path, with links resolved, and the size in bytes of a regular file in a store.

    Args:
        root: path of the store, with links resolved.
        relative: path of the file, relative to the store.

    Raises:
        DamagedStoreError: the file is missing, is not a regular file (a pipe would block), or is a link to a
            path outside the store (which would expose another file).
    """
    path = os.path.join(root, relative)
    try:
        # Checked component by component, because realpath would take most of the time needed to open a store.
        step, linked = root, False
        for part in relative.split("/"):
            step = os.path.join(step, part)
            found = os.lstat(step)
            linked |= stat.S_ISLNK(found.st_mode)
        if linked:
            real = os.path.realpath(path)
            if not real.startswith(root.rstrip(os.sep) + os.sep):
                raise DamagedStoreError(
                    f"{path} is a link to {real}, outside the store; a store must contain all its files"
                )
            path, found = real, os.stat(real)
    except OSError as error:
        raise DamagedStoreError(f"{path} is missing or unreadable ({error.strerror})") from error
    if not stat.S_ISREG(found.st_mode):
        raise DamagedStoreError(f"{path} is not a regular file")
    if problem := pointer_problem(path, found.st_size):
        raise DamagedStoreError(f"{path} {problem}")
    return path, found.st_size


def read_at(path: str, offset: int, count_bytes: int) -> bytes:
    """Returns `count_bytes` of a file, starting at `offset`.

    Raises:
        DamagedStoreError: the file is too short, or cannot be read.
    """
    try:
        with opened(path, lambda name: open_found(name, follow=False)) as file:
            file.seek(offset)
            data = file.read(count_bytes)
    except OSError as error:
        raise DamagedStoreError(f"{path} cannot be read ({error.strerror})") from error
    if len(data) != count_bytes:
        raise too_short(path, offset + len(data), offset + count_bytes)
    return data


def opened(path: str, act: Callable[[str], Opened]) -> Opened:
    """Opens a file with `act`. If too many files are open, raises the limit and retries.

    Raises:
        OSError: the file cannot be opened.
        DFSError: the process or the system is out of resources; the store may be intact.
    """
    try:
        return act(path)
    except OSError as error:
        if error.errno in (errno.ENOMEM, errno.ENFILE):
            raise DFSError(
                f"{path} cannot be opened because the system is out of resources ({error.strerror})"
            ) from error
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
            f"{path} cannot be opened because this process already has the maximum of {soft:,} open files, "
            "and a store needs one for each file of key_frames; raise the limit (ulimit -n), or open fewer "
            "stores"
        ) from error


def _map(path: str) -> mmap.mmap:
    # Since the check, the file may have been replaced by a pipe, or by a link to another file.
    with open_found(path, follow=False) as file:
        # A map keeps its own file descriptor: a store of 400,000 key frames needs about a hundred.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class MappedFile(ByteSource):
    """A memory-mapped file. Returned arrays are views, which stay valid if the path is replaced.

    Args:
        path: path of the file, which must not be a link.

    Raises:
        DamagedStoreError: the file is empty, or cannot be memory-mapped.
        DFSError: this process cannot open more files.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._map = opened(path, _map)
        except (OSError, ValueError) as error:
            raise DamagedStoreError(f"{path} cannot be memory-mapped ({error})") from error
        self._bytes = np.frombuffer(self._map, dtype=np.uint8)
        self.size_bytes = self._bytes.size

    def bytes(self) -> Bytes:
        """Returns a view of the whole file.

        Raises:
            DamagedStoreError: the file was truncated, so that reading the view would crash the process.
        """
        if self._map.size() < self.size_bytes:
            raise DamagedStoreError(f"{self._path} was truncated after the store was opened")
        return self._bytes

    def part(self, start: int, stop: int) -> Bytes:
        """Returns a range of bytes as a view."""
        return self.bytes()[start:stop]

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns several ranges of bytes as views."""
        content = self.bytes()
        return [content[start:stop] for start, stop in spans]


class Window(ByteSource):
    """The range start..start + size_bytes of another source, such as a member of an archive."""

    def __init__(self, source: ByteSource, start: int, size_bytes: int) -> None:
        self._source, self._start = source, start
        self.size_bytes = size_bytes

    def part(self, start: int, stop: int) -> Bytes:
        """Returns bytes start..stop of the window."""
        if stop > self.size_bytes:
            raise too_short("a member of the archive", self.size_bytes, stop)
        return self._source.part(self._start + start, self._start + stop)

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns several ranges of the window."""
        return [self.part(*span) for span in spans]


def folder_size_bytes(root: Path) -> int:
    """Returns the total size in bytes of all files below a folder. Links are not followed."""
    total = 0
    for folder, _, names in os.walk(root):
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return total
