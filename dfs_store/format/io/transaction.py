"""Publishes stores and exports completely or not at all, and replaces only outputs of the same kind."""

import errno
import mmap
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dfs_store.errors import OutputExistsError, OutputNotWritableError
from dfs_store.format.containers import container_of
from dfs_store.format.io.durable import Part, exchange, output_error, rename_new, sync_folder
from dfs_store.format.io.ours import NAMES_IN_A_FILE, header_is_ours, names_are_ours
from dfs_store.format.io.place import Place, StoreURL, collapsed_url, locate
from dfs_store.format.spec import MAX_HEADER_BYTES, ZARR_JSON

if TYPE_CHECKING:
    from dfs_store.format.io.remote_output import RemoteTransaction

__all__ = ["Transaction", "check_local_output", "check_output", "open_transaction"]

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR)


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Place:
    """Checks, before any work is done, that a store can be written to `path`.

    With `overwrite`, a folder may be replaced if it has the header of a store, or if it contains only files
    that are named like a store's files. A file may be replaced if it is empty, or contains the name of the
    header or of the large array.

    Returns:
        The path with links resolved, so that a link to another disk is kept, or the URL.

    Raises:
        SettingsError: a store cannot have this suffix.
        OutputExistsError: the path exists, and `overwrite` is False or the path is not a store.
        OutputNotWritableError: the parent folder does not exist or is not writable.
        StoreUnreachableError: the server of a URL does not respond.
    """
    place = locate(path)
    container_of(place)
    if isinstance(place, StoreURL):
        from dfs_store.format.io.remote_output import check_remote_output

        check_remote_output(place, overwrite=overwrite)
        return place
    return _check_store(place, overwrite=overwrite)


def _check_store(path: Path, *, overwrite: bool) -> Path:
    container = container_of(path)

    def is_ours(target: Path) -> bool:
        return _is_store_file(target) or (container == "zarr" and _is_store_folder(target))

    return check_local_output(path, is_ours, "not a store", overwrite=overwrite)


def check_local_output(
    shown: Path, is_ours: Callable[[Path], bool], otherwise: str, *, overwrite: bool
) -> Path:
    """Checks that an output can be written to a local path.

    Args:
        shown: the path.
        is_ours: function that returns whether an existing output may be replaced.
        otherwise: description of an output that may not be replaced, as in "not a store".
        overwrite: whether to replace an existing output.

    Returns:
        The path with links resolved.

    Raises:
        OutputExistsError, OutputNotWritableError: see `check_output`.
    """
    try:
        target = Path(os.path.realpath(shown))
        if os.path.lexists(target):
            if not overwrite:
                raise OutputExistsError(
                    f"{shown} already exists; choose another path, or overwrite it "
                    "(overwrite=True, --overwrite)"
                )
            if not is_ours(target):
                raise OutputExistsError(
                    f"{shown} exists and is {otherwise}, so it was not overwritten; remove it first"
                )
        folder = target.parent
        if folder.exists() and not folder.is_dir():
            raise OutputNotWritableError(f"{shown}: {folder} is a file, not a folder; choose another path")
        if not folder.is_dir():
            raise OutputNotWritableError(
                f"{shown}: the folder {folder} does not exist; create it first{collapsed_url(shown)}"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputNotWritableError(f"{shown}: the folder {folder} is not writable; choose another path")
    except OSError as error:
        raise output_error(error, shown) from error
    return target


def _is_store_file(target: Path) -> bool:
    """Returns whether a file may be a store, even a damaged one: empty, or with one of `NAMES_IN_A_FILE`."""
    if not target.is_file():
        return False
    with target.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return True
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return any(mapped.find(name) >= 0 for name in NAMES_IN_A_FILE)


def _is_store_folder(target: Path) -> bool:
    if not target.is_dir():
        return False
    root = target / ZARR_JSON
    is_header = root.is_file() and root.stat().st_size <= MAX_HEADER_BYTES
    return (is_header and header_is_ours(root.read_bytes())) or names_are_ours(
        os.path.relpath(os.path.join(folder, name), target)
        for folder, folders, files in os.walk(target)
        for name in (*folders, *files)
    )


class Transaction:
    """Publishes a file or folder at its path completely or not at all.

    `begin` returns the path to write to, `commit` publishes the output, and `abort` removes it. With
    `overwrite`, the path contains the old or the new output at any time, unless the system cannot exchange
    two folders atomically. Then, the old one is moved away first, and restored by the next writer after a
    power failure.

    Args:
        path: path of the output.
        overwrite: whether to replace an existing output.
        check: function that checks `path`, given `overwrite`, and returns it with links resolved. Defaults to
            the check for stores.
    """

    def __init__(
        self, path: Path, *, overwrite: bool = False, check: Callable[..., Path] = _check_store
    ) -> None:
        self.shown: Place = path
        self._target = check(path, overwrite=overwrite)
        self._replaces = _identity(self._target)
        self._part: Part | None = None

    def begin(self) -> Path:
        """Returns an unused path on the disk of the output. `commit` and `abort` remove it.

        Raises:
            OutputNotWritableError, DiskFullError: the path cannot be created.
        """
        try:
            self._part = Part(self._target)
        except OSError as error:
            raise output_error(error, self.shown) from error
        if self._part.removed:
            removed = ", ".join(self._part.removed)
            warnings.warn(
                f"{self.shown}: removed files left by a process that was killed: {removed}", stacklevel=3
            )
        return self._part.new

    @property
    def written_to(self) -> str:
        """Path of the output, for error messages."""
        return str(self.shown)

    def commit(self) -> None:
        """Moves the output to its path.

        Raises:
            OutputExistsError: another process wrote to the path first.
            OutputNotWritableError, DiskFullError: writing failed.
        """
        assert self._part is not None
        try:
            if self._replaces is None:
                rename_new(self._part.new, self._target)
            else:
                self._replace(self._part)
            sync_folder(self._target.parent)
        except OSError as error:
            if error.errno in _TAKEN:
                raise OutputExistsError(
                    f"{self.shown}: another process wrote to this path first, and its output was not "
                    "replaced; choose another path, or overwrite the output"
                ) from error
            raise output_error(error, self.shown) from error
        self.abort()

    def _replace(self, part: Part) -> None:
        """Replaces the output that existed when the transaction began, but no newer one."""
        if exchange(part.new, self._target):
            if _identity(part.new) != self._replaces:
                exchange(part.new, self._target)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._target))
        elif _identity(self._target) != self._replaces:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._target))
        elif not part.new.is_dir() and not self._target.is_dir():
            os.replace(part.new, self._target)
        else:
            os.rename(self._target, part.old)  # the part restores it if the next rename fails
            rename_new(part.new, self._target)

    def abort(self) -> None:
        """Removes everything that was written."""
        if self._part is not None:
            self._part.remove()
            self._part = None


def open_transaction(path: str | os.PathLike[str], *, overwrite: bool) -> "Transaction | RemoteTransaction":
    """Returns a transaction for a path or a URL. Raises the errors of `check_output`."""
    place = locate(path)
    if not isinstance(place, StoreURL):
        return Transaction(place, overwrite=overwrite)
    from dfs_store.format.io.remote_output import RemoteTransaction

    return RemoteTransaction(place, overwrite=overwrite)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns
