"""Writes outputs durably: they are written next to their target, flushed to disk, and then renamed."""

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

from dfs_store.errors import DFSError, DiskFullError, OutputNotWritableError, SettingsError
from dfs_store.format.io.place import Place, StoreURL

__all__ = [
    "Part",
    "clear_dead_parts",
    "exchange",
    "former_outputs",
    "output_error",
    "rename_new",
    "sync_folder",
    "take_lock",
    "write_all",
    "write_all_at",
    "write_durably",
    "write_synced",
    "write_through",
]

Content = bytes | Callable[[IO[bytes]], Any]

_LOCK = "lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # arguments of Linux's renameat2


class Part:
    """A hidden folder next to a target, `.NAME.TAG.partial`, for the new version of the target.

    The writer keeps a file in the folder locked, so that the next writer of the same target can recognise
    and remove the folders of dead writers. The context manager removes the folder on exit.

    Attributes:
        new: unused path for the new version.
        old: unused path for the old version, if it must be moved away first.
        removed: names of the folders of dead writers that this writer has removed.

    Raises:
        OSError: the folder cannot be created.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.removed = clear_dead_parts(target)
        self.folder, self.lock = _make_folder(target)
        self.new = self.folder / f"new{target.suffix}"
        self.old = self.folder / f"old{target.suffix}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.remove()

    def page(self, number: int) -> Path:
        """Returns an unused path for one of several files that are published together."""
        return self.new.with_stem(f"new-{number}")

    def remove(self) -> None:
        """Removes the folder and its content."""
        with contextlib.suppress(OSError), _opened_folder(self.folder) as descriptor:
            _remove_contents(descriptor, self.target)
            self.folder.rmdir()
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def write_durably(path: Path, content: Content) -> None:
    """Writes a file atomically. After a power failure, the path contains either the old or the new version.

    Args:
        path: path of the file, which is replaced if it exists.
        content: the bytes, or a function that writes them to the open file.

    Raises:
        OSError: writing failed; the existing file is unchanged.
    """
    with Part(path) as part:
        write_synced(part.new, content)
        os.replace(part.new, path)
        sync_folder(path.parent)


def write_through(path: Path, data: bytes) -> None:
    """Writes to an existing pipe or device. Raises OSError if no process reads from the pipe."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # does not wait for a reader
    try:
        os.set_blocking(descriptor, True)
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def write_synced(path: Path, content: Content) -> None:
    """Writes a new file and flushes it to disk."""
    with path.open("xb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            content(file)
        file.flush()
        os.fsync(file.fileno())


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data` to an open file, in one system call if possible."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def write_all_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Writes all of `data` to an open file, starting at an offset in bytes."""
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def sync_folder(path: Path) -> None:
    """Flushes a folder's directory entries to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems do not support this for folders; the files are already flushed.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_lock(
    path: str | Path, flags: int = os.O_RDWR, *, shared: bool = False, folder: int | None = None
) -> int | None:
    """Locks a file until all copies of the returned descriptor are closed.

    Args:
        path: path of the file; a symbolic link is not followed.
        flags: flags for opening the file, such as os.O_CREAT to create it.
        shared: whether to take a shared lock.
        folder: descriptor of the folder that `path` is relative to.

    Returns:
        The descriptor, or None if another process has locked or replaced the file.

    Raises:
        FileNotFoundError: the file does not exist, or was removed.
        OSError: the file is a link, or the file system does not support locks.
    """
    # O_NONBLOCK, so that opening a pipe does not wait for its other end.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666, dir_fd=folder)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path, dir_fd=folder, follow_symlinks=False)):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def clear_dead_parts(target: Path) -> list[str]:
    """Removes the folders that killed writers left next to a target, and returns their names.

    Only folders (not links) with exactly the name and content of a `Part` are removed. An old version that
    such a writer moved away is restored if the target does not exist.
    """
    removed = []
    own = re.compile(rf"{_LOCK}|spool|(old|new(-\d+)?){re.escape(target.suffix)}")
    for name in _parts_beside(target):
        with contextlib.suppress(OSError):
            if _clear(target.with_name(name), target, own):
                removed.append(name)
    return removed


def _parts_beside(target: Path) -> list[str]:
    exact = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.partial")
    try:
        return sorted(filter(exact.fullmatch, os.listdir(target.parent)))
    except OSError:
        return []


def _clear(folder: Path, target: Path, own: re.Pattern[str]) -> bool:
    """Removes a part if its writer is dead. Raises OSError if it is a link or cannot be locked."""
    with _opened_folder(folder) as descriptor:
        # A writer that has not locked its empty folder yet creates another one if it is removed.
        if os.listdir(descriptor):
            lock = take_lock(_LOCK, folder=descriptor)
            if lock is None:
                return False
            try:
                if not all(map(own.fullmatch, os.listdir(descriptor))):
                    return False
                _remove_contents(descriptor, target)
            finally:
                os.close(lock)
        folder.rmdir()
        return True


def _remove_contents(folder: int, target: Path) -> None:
    """Removes the content of an open part, its lock last, so that other writers do not touch the part.

    If the target does not exist, an old version in the part is restored. If that fails, nothing is removed.
    """
    names = os.listdir(folder)
    if (old := f"old{target.suffix}") in names and not os.path.lexists(target):
        os.rename(old, target, src_dir_fd=folder)
        names.remove(old)
    for name in sorted(names, key=_LOCK.__eq__):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    """Opens a folder. Raises OSError if it is a symbolic link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(target: Path) -> tuple[Path, int | None]:
    """Creates and locks a part. Starts over if another process removes the part before it is locked."""
    while True:
        folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        folder.mkdir()
        try:
            lock = take_lock(folder / _LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return folder, None  # without locks, dead writers cannot be recognised, so their parts are kept
        if lock is not None:
            return folder, lock


def former_outputs(path: Place) -> list[Path]:
    """Returns the old versions that killed writers moved away from a path; none for a URL."""
    if isinstance(path, StoreURL):
        return []
    found = [path.with_name(name) / f"old{path.suffix}" for name in _parts_beside(path)]
    return [old for old in found if os.path.lexists(old)]


def exchange(first: Path, second: Path) -> bool:
    """Exchanges two files or folders atomically. Returns False if the system does not support it.

    Raises:
        OSError: one of them does not exist, or cannot be moved.
    """
    renameat2 = getattr(_libc(), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False  # not supported by an old kernel or the file system (some network mounts)
    raise OSError(number, os.strerror(number), str(second))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def rename_new(new: Path, target: Path) -> None:
    """Renames a file or folder, but never replaces anything.

    Raises:
        OSError: renaming failed, for example because the target was created in the meantime.
    """
    if new.is_dir():
        os.rename(new, target)  # fails for a target that is a file or a non-empty folder
        return
    try:
        os.link(new, target)
    except OSError as error:
        # Without hard links (FAT, some network mounts), the target may be created before the rename.
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(new, target)


def output_error(error: OSError | RuntimeError, path: Place | str) -> DFSError:
    """Converts an error that the system or HDF5 raised while writing to `path` to a DFSError."""
    if isinstance(error, DFSError):
        return error
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if number is None:
        # HDF5 includes the error number only in the message, and raises a RuntimeError when it closes a file.
        found = re.search(r"errno = (\d+)", reason)
        number = int(found[1]) if found else None
    if number in DiskFullError.NUMBERS:
        return DiskFullError(
            f"{path}: the disk is full ({reason}); nothing was left behind. Free some space, or choose "
            "another disk"
        )
    if number == errno.ENAMETOOLONG:
        return SettingsError(f"{path}: the name is too long for the file system; choose a shorter one")
    return OutputNotWritableError(f"{path} cannot be written ({reason}); choose another path")
