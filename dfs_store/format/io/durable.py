"""Durable writes: a hidden part beside the target, safe on disk before it takes the target's place."""

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
    "write_durably",
    "write_synced",
    "write_through",
]

Content = bytes | Callable[[IO[bytes]], Any]

_LOCK = "lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


class Part:
    """A hidden folder beside a target, `.NAME.TAG.partial`; what succeeds the target is written in it.

    Its writer holds a lock in it for as long as the process lives, so that the next writer of the same target
    can tell the parts of dead writers from those of living ones. It removes the dead ones first. A context
    manager that removes the folder at its end.

    Args:
        target: path of the file or folder that is to be written.

    Attributes:
        new: free path for the successor.
        old: free path for the target, where it must be moved away before the successor can take its place.
        removed: names of the dead parts that were removed.

    Raises:
        OSError: the folder cannot be made.
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
        """Returns a free path for one of several files that are put in place together."""
        return self.new.with_stem(f"new-{number}")

    def remove(self) -> None:
        """Removes the folder and all that was written into it."""
        with contextlib.suppress(OSError), _opened_folder(self.folder) as descriptor:
            _remove_contents(descriptor, self.target)
            self.folder.rmdir()
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def write_durably(path: Path, content: Content) -> None:
    """Writes a file that is absent, the former one or the new one at any moment, also after a power cut.

    Args:
        path: of the file; one that is there is replaced.
        content: the bytes, or a function that writes them to the open file.

    Raises:
        OSError: the disk refused; the former file stays.
    """
    with Part(path) as part:
        write_synced(part.new, content)
        os.replace(part.new, path)
        sync_folder(path.parent)


def write_through(path: Path, data: bytes) -> None:
    """Writes to a pipe or a device that is there; raises OSError if nobody reads the other end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # else it would wait for a reader
    try:
        os.set_blocking(descriptor, True)
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def write_synced(path: Path, content: Content) -> None:
    """Writes a new file and waits until it is safe on disk."""
    with path.open("xb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            content(file)
        file.flush()
        os.fsync(file.fileno())


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data` to an open file, in one call of the system unless it takes fewer bytes."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_folder(path: Path) -> None:
    """Waits until a folder's list of names is safe on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse this for folders; the files themselves are safe by then.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_lock(
    path: str | Path, flags: int = os.O_RDWR, *, shared: bool = False, folder: int | None = None
) -> int | None:
    """Locks a file until the returned descriptor is closed, by its last holder.

    Args:
        path: of the file; a symbolic link is not followed.
        flags: for opening it, os.O_CREAT to make it.
        shared: hold it together with others that share it.
        folder: descriptor of the folder that `path` is relative to.

    Returns:
        The descriptor; None if another process holds the lock, or has replaced the file.

    Raises:
        FileNotFoundError: it is not there, or no longer.
        OSError: it is a link, or the disk has no locks.
    """
    # Nor a pipe, whose other end it would wait for.
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
    """Removes the parts that killed writers have left beside a target, and returns their names.

    Only real folders of exactly a part's name with nothing but a part's contents are touched. A former target
    that such a writer had moved away is put back if nothing has taken its place.
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
    """Removes a part if its writer is dead; raises OSError if it is a link, or cannot be locked."""
    with _opened_folder(folder) as descriptor:
        # An empty one was killed before it was locked; a writer that is about to lock it starts over.
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
    """Empties an open part, its lock last: until then others see that it belongs to a writer.

    A former target in it is put back if nothing has taken its place. If that fails, nothing is removed.
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
    """Opens a folder, never through a link of its name, so that no other folder can take its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(target: Path) -> tuple[Path, int | None]:
    """Makes and locks a part; another process may take it for dead in between and remove it."""
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
            return folder, None  # nobody can tell whether its writer lives, so nobody removes it
        if lock is not None:
            return folder, lock


def former_outputs(path: Place) -> list[Path]:
    """Returns what killed writers had moved away from a path and not replaced; none for a URL."""
    if isinstance(path, StoreURL):
        return []
    found = [path.with_name(name) / f"old{path.suffix}" for name in _parts_beside(path)]
    return [old for old in found if os.path.lexists(old)]


def exchange(first: Path, second: Path) -> bool:
    """Exchanges two files or folders in one step; returns False if the system cannot.

    Raises:
        OSError: one of them is missing, or may not be moved.
    """
    renameat2 = getattr(_libc(), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False  # an old kernel, or a disk that cannot (some network mounts)
    raise OSError(number, os.strerror(number), str(second))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def rename_new(new: Path, target: Path) -> None:
    """Renames without replacing anything.

    Raises:
        OSError: among others, the target has appeared in the meantime.
    """
    if new.is_dir():
        os.rename(new, target)  # refused for a target that is a file or a folder with anything in it
        return
    try:
        os.link(new, target)
    except OSError as error:
        # Disks without hard links (FAT, some network mounts) leave a small window between test and rename.
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(new, target)


def output_error(error: OSError | RuntimeError, path: Place | str) -> DFSError:
    """Returns the library's error for what the system, or HDF5, said while `path` was written."""
    if isinstance(error, DFSError):
        return error
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if number is None:
        # HDF5 gives the system's number in its text only, at closing time even as a RuntimeError.
        told = re.search(r"errno = (\d+)", reason)
        number = int(told[1]) if told else None
    if number in DiskFullError.NUMBERS:
        return DiskFullError(
            f"{path}: the disk is full ({reason}); nothing was left behind. Free space, or write elsewhere"
        )
    if number == errno.ENAMETOOLONG:
        return SettingsError(f"{path}: the name is too long for the disk; choose a shorter one")
    return OutputNotWritableError(f"{path}: cannot be written ({reason}); choose another place")
