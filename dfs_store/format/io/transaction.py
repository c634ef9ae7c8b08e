"""Writing all or nothing: a temporary sibling, made safe on disk, then renamed into place."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dfs_store.errors import (
    DFSError,
    DiskFullError,
    OutputExistsError,
    OutputNotWritableError,
    SettingsError,
)
from dfs_store.format.container import container_of
from dfs_store.format.io.place import Place, StoreURL, collapsed_url, locate

if TYPE_CHECKING:
    from dfs_store.format.io.remote_output import RemoteTransaction

__all__ = [
    "Transaction",
    "check_output",
    "clear_dead_parts",
    "exchange",
    "interrupted_overwrites",
    "locked",
    "open_transaction",
    "output_error",
    "sync_folder",
    "write_synced",
]

_LOCK = "lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2
_SIGNATURES = {"hdf5": b"\x89HDF\r\n\x1a\n", "zarr.zip": b"PK\3\4"}


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Place:
    """Checks that a store may be written at `path`, before any work is done for it.

    Returns:
        The path with its links followed, so that a link to another disk stays a link; a URL as it is.

    Raises:
        SettingsError: the suffix is none of a store.
        OutputExistsError: something is there and `overwrite` is off, or it is no store at all.
        OutputNotWritableError: the folder it is to lie in is missing or not writable.
        StoreUnreachableError: the server of a URL does not answer.
    """
    place = locate(path)
    container_of(place)
    if isinstance(place, StoreURL):
        from dfs_store.format.io.remote_output import check_remote_output

        check_remote_output(place, overwrite=overwrite)
        return place
    return _check_local(place, overwrite=overwrite)


def _check_store(path: Path, *, overwrite: bool) -> Path:
    container_of(path)
    return _check_local(path, overwrite=overwrite)


def _check_local(shown: Path, *, overwrite: bool) -> Path:
    try:
        target = Path(os.path.realpath(shown))
        if os.path.lexists(target):
            if not overwrite:
                raise OutputExistsError(
                    f"{shown}: exists already; choose another path, or overwrite it "
                    "(overwrite=True, --overwrite)"
                )
            _check_replaceable(target, shown)
        folder = target.parent
        if not folder.is_dir():
            if folder.exists():
                raise OutputNotWritableError(
                    f"{shown}: {folder} is a file, not a folder; choose another path"
                )
            raise OutputNotWritableError(
                f"{shown}: the folder {folder} does not exist; create it first{collapsed_url(shown)}"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputNotWritableError(f"{shown}: the folder {folder} is not writable")
    except OSError as error:
        if isinstance(error, DFSError):
            raise
        raise output_error(error, shown) from error
    return target


def _check_replaceable(target: Path, shown: Path) -> None:
    """Refuses to replace what is plainly no store: overwriting must not delete a folder of other things."""
    if target.is_dir():
        names = {entry.name for entry in os.scandir(target)}
        replaceable = not names or "zarr.json" in names
    else:
        signature = _SIGNATURES.get(container_of(shown), b"")
        with target.open("rb") as file:
            start = file.read(len(signature))
        replaceable = start in (b"", signature)
    if not replaceable:
        raise OutputExistsError(
            f"{shown}: exists and is no store, so it is not overwritten; remove it yourself"
        )


class Transaction:
    """One file or folder that appears at its path whole, or not at all.

    `begin` makes a hidden folder beside the target and returns the path to write to; `commit` puts that in
    place; `abort` removes every trace. With `overwrite` one of the two stores stands at the path at any
    moment. Where the system cannot exchange two folders in one step, the old one stays beside the new one,
    under a name with `.old-`, until the new one stands.

    The hidden folder holds a lock for as long as its process lives, so that the next transaction on the same
    path tells the parts of dead runs from those of living ones, and removes them, with a warning.

    Args:
        path: the target.
        overwrite: replace what is there.
        check: called with `path` and `overwrite`; returns the path with its links followed, or refuses it.
            By default that of a store.
    """

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        check: Callable[..., Path] | None = None,
    ) -> None:
        self.shown: Place = path
        self._overwrite = overwrite
        self._target = (check or _check_store)(path, overwrite=overwrite)
        self._replaces = _identity(self._target)
        self._tag = ""
        self._folder: Path | None = None
        self._lock: int | None = None

    def begin(self) -> Path:
        """Returns a free path on the same disk, inside a folder that `abort` and `commit` remove.

        Raises:
            OutputNotWritableError, DiskFullError: the folder cannot be made.
        """
        try:
            removed = clear_dead_parts(self._target)
            self._folder = self._make_folder()
        except OSError as error:
            raise output_error(error, self.shown) from error
        if removed:
            warnings.warn(
                f"{self.shown}: removed what a writer that died had left: {', '.join(removed)}", stacklevel=3
            )
        return self._new

    @property
    def written_to(self) -> str:
        """What messages call the place that is written to."""
        return str(self.shown)

    @property
    def _new(self) -> Path:
        assert self._folder is not None
        return self._folder / f"store{self._target.suffix}"

    def _make_folder(self) -> Path:
        """Makes the folder and locks it; another process may take it for dead in between and remove it."""
        while True:
            self._tag = secrets.token_hex(4)
            folder = self._target.with_name(f".{self._target.name}.{self._tag}.partial")
            folder.mkdir()
            try:
                self._lock = locked(folder / _LOCK, os.O_CREAT)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                return folder  # nobody will be able to tell whether we live, so nobody removes it
            if self._lock is not None:
                return folder

    def commit(self) -> None:
        """Puts what was written in place.

        Raises:
            OutputExistsError: another writer finished the same path first.
            OutputNotWritableError, DiskFullError: the disk refused.
        """
        try:
            if self._replaces is None:
                _rename_new(self._new, self._target)
            else:
                self._replace()
            sync_folder(self._target.parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR):
                raise OutputExistsError(
                    f"{self.shown}: another writer finished the same path first; its store was left as it is"
                ) from error
            raise output_error(error, self.shown) from error
        self._let_go()

    def _replace(self) -> None:
        """Puts the new store in the place of the one that was there at first, and of no other."""
        if exchange(self._new, self._target):
            if _identity(self._new) != self._replaces:
                exchange(self._new, self._target)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._target))
            return
        if _identity(self._target) != self._replaces:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._target))
        if not self._new.is_dir() and not self._target.is_dir():
            os.replace(self._new, self._target)
            return
        old = _put_aside(self._target, self._tag)
        os.rename(self._target, old)
        try:
            _rename_new(self._new, self._target)
        except OSError:
            if not os.path.lexists(self._target):
                os.rename(old, self._target)
            raise
        _remove(old)

    def abort(self) -> None:
        """Removes everything that was written."""
        self._let_go()

    def _let_go(self) -> None:
        if self._folder is not None:
            _remove_part(self._folder)
        if self._lock is not None:
            os.close(self._lock)
        self._folder, self._lock = None, None


def open_transaction(path: str | os.PathLike[str], *, overwrite: bool) -> "Transaction | RemoteTransaction":
    """Returns what makes a store appear at a path or a URL; raises as `check_output`."""
    place = locate(path)
    if not isinstance(place, StoreURL):
        return Transaction(place, overwrite=overwrite)
    from dfs_store.format.io.remote_output import RemoteTransaction

    return RemoteTransaction(place, overwrite=overwrite)


def clear_dead_parts(target: Path) -> list[str]:
    """Removes what writers that were killed have left beside a path, and returns its names.

    A former store that such a writer had put aside and not replaced is put back.
    """
    removed = []
    for folder in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        with contextlib.suppress(OSError):
            folder.rmdir()  # killed before it was locked; another that is about to lock it starts over
            removed.append(folder.name)
            continue
        try:
            lock = locked(folder / _LOCK)
        except OSError:
            continue  # not known to be dead
        if lock is None:
            continue
        try:
            old = _put_aside(target, folder.name.removesuffix(".partial").rpartition(".")[2])
            if os.path.lexists(old):
                if os.path.lexists(target):
                    _remove(old)
                    removed.append(old.name)
                else:
                    os.rename(old, target)
            _remove_part(folder)
            removed.append(folder.name)
        finally:
            os.close(lock)
    return removed


def _put_aside(target: Path, tag: str) -> Path:
    return target.with_name(f"{target.name}.old-{tag}")


def locked(path: Path, flags: int = 0) -> int | None:
    """Returns a descriptor that holds a file's lock until it is closed, None where another process does.

    Raises:
        FileNotFoundError: it is not there, or no longer.
        OSError: the disk knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Returns what tells a store from another at the same path, None where there is nothing."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def exchange(first: Path, second: Path) -> bool:
    """Exchanges two files or folders in one step; returns False where the system cannot.

    Raises:
        OSError: one of them is missing, or may not be moved.
    """
    renameat2 = getattr(_libc(), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP):
        return False  # an old kernel, or a disk that cannot (some network mounts)
    raise OSError(number, os.strerror(number), str(second))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def interrupted_overwrites(path: Place) -> list[Path]:
    """Returns former stores that an overwrite put aside and, being killed, did not remove; none of a URL."""
    if isinstance(path, StoreURL):
        return []
    try:
        return sorted(path.parent.glob(f"{glob.escape(path.name)}.old-*"))
    except OSError:
        return []


def _rename_new(new: Path, target: Path) -> None:
    """Renames without replacing anything; the system refuses when the target appeared in the meantime."""
    if new.is_dir():
        os.rename(new, target)  # refused for a target that is a file or a folder with anything in it
        return
    try:
        os.link(new, target)
    except OSError as error:
        # Disks without hard links (FAT, some network mounts) leave a small window between test and rename.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(new, target)


def _remove_part(folder: Path) -> None:
    """Removes a hidden folder, its lock last: until then another process can see that it was of a writer."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.name != _LOCK:
                _remove(entry)
    _remove(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes) -> None:
    """Writes a new file and waits until the disk holds it."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Waits until the disk holds a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Some network file systems refuse this for folders; the files themselves are safe by then.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def output_error(error: OSError | RuntimeError, path: Place | str) -> DFSError:
    """Returns the library's error for what the system, or HDF5, said while writing `path`."""
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if number is None:
        # HDF5 tells the system's number in its text only, at closing time even as a RuntimeError.
        told = re.search(r"errno = (\d+)", reason)
        number = int(told[1]) if told else None
    if number in DiskFullError.NUMBERS:
        return DiskFullError(
            f"{path}: the disk is full ({reason}); nothing was left behind. Free space, or write elsewhere"
        )
    if number == errno.ENAMETOOLONG:
        return SettingsError(f"{path}: the name is too long for the disk; choose a shorter one")
    return OutputNotWritableError(f"{path}: cannot be written ({reason}); choose another place")
