"""Writing all or nothing: a temporary sibling, made safe on disk, then renamed into place."""

import contextlib
import errno
import glob
import os
import re
import secrets
import shutil
from pathlib import Path

from dfs_store.errors import (
    DFSError,
    DiskFullError,
    OutputExistsError,
    OutputNotWritableError,
    SettingsError,
)
from dfs_store.format.container import container_of

__all__ = [
    "Transaction",
    "check_output",
    "interrupted_overwrites",
    "output_error",
    "sync_folder",
    "write_synced",
]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Checks that a store may be written at `path`, before any work is done for it.

    Returns:
        The path with its links followed, so that a link to another disk stays a link.

    Raises:
        SettingsError: the suffix is none of a store.
        OutputExistsError: something is there and `overwrite` is off, or it is no store at all.
        OutputNotWritableError: the folder it is to lie in is missing or not writable.
    """
    shown = Path(path)
    container_of(shown)
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
            raise OutputNotWritableError(f"{shown}: the folder {folder} does not exist; create it first")
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
        with target.open("rb") as file:
            start = file.read(len(_HDF5_SIGNATURE))
        replaceable = start in (b"", _HDF5_SIGNATURE)
    if not replaceable:
        raise OutputExistsError(
            f"{shown}: exists and is no store, so it is not overwritten; remove it yourself"
        )


class Transaction:
    """One file or folder that appears at its path whole, or not at all.

    `begin` makes a hidden folder beside the target and returns the path to write to; `commit` renames that
    into place; `abort` removes every trace. With `overwrite` the old store stays beside the new one, under
    a name with `.old-`, until the new one stands.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.shown = Path(path)
        self._overwrite = overwrite
        self._target = check_output(path, overwrite=overwrite)
        self._tag = secrets.token_hex(4)
        self._folder = self._target.with_name(f".{self._target.name}.{self._tag}.partial")

    def begin(self) -> Path:
        """Returns a free path on the same disk, inside a folder that `abort` and `commit` remove.

        Raises:
            OutputNotWritableError, DiskFullError: the folder cannot be made.
        """
        try:
            self._folder.mkdir()
        except OSError as error:
            raise output_error(error, self.shown) from error
        return self._folder / f"store{self._target.suffix}"

    def commit(self) -> None:
        """Renames what was written into place.

        Raises:
            OutputExistsError: another writer finished the same path first.
            OutputNotWritableError, DiskFullError: the disk refused.
        """
        new = self._folder / f"store{self._target.suffix}"
        old = self._target.with_name(f"{self._target.name}.old-{self._tag}")
        try:
            if self._overwrite and not new.is_dir() and not self._target.is_dir():
                os.replace(new, self._target)  # at once: either store stands at any moment
            elif self._overwrite:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._target, old)
                try:
                    _rename_new(new, self._target)
                except OSError:
                    if os.path.lexists(old) and not os.path.lexists(self._target):
                        os.rename(old, self._target)
                    raise
            else:
                _rename_new(new, self._target)
            sync_folder(self._target.parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR):
                raise OutputExistsError(
                    f"{self.shown}: another writer finished the same path first; its store was left as it is"
                ) from error
            raise output_error(error, self.shown) from error
        _remove(old)
        _remove(self._folder)

    def abort(self) -> None:
        """Removes everything that was written."""
        _remove(self._folder)


def interrupted_overwrites(path: Path) -> list[Path]:
    """Returns former stores that an overwrite put aside and, being killed, did not remove."""
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


def output_error(error: OSError | RuntimeError, path: Path) -> DFSError:
    """Returns the library's error for what the system, or HDF5, said while writing `path`."""
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if number is None:
        # HDF5 tells the system's number in its text only, at closing time even as a RuntimeError.
        told = re.search(r"errno = (\d+)", reason)
        number = int(told[1]) if told else None
    if number in _FULL:
        return DiskFullError(
            f"{path}: the disk is full ({reason}); nothing was left behind. Free space, or write elsewhere"
        )
    if number == errno.ENAMETOOLONG:
        return SettingsError(f"{path}: the name is too long for the disk; choose a shorter one")
    return OutputNotWritableError(f"{path}: cannot be written ({reason}); choose another place")
