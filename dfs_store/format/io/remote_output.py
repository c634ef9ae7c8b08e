"""Writes a store to a local folder first, and uploads it to a URL when it is complete, its root last.

Object stores replace single objects atomically, but nothing larger. An HDF5 file or a zip archive is
therefore replaced atomically. A Zarr store is complete once its zarr.json, which is uploaded last, exists. To
replace a Zarr store, the new one is uploaded next to it, and the server then copies the new store over the
old one. During the copy, there is no store at the URL. If the copy fails, the new store remains next to the
URL.
"""

import contextlib
import errno
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dfs_store.errors import DFSError, OutputExistsError, OutputNotWritableError, StoreUnreachableError
from dfs_store.format.containers import container_of
from dfs_store.format.io.ours import NAMES_IN_A_FILE, header_is_ours, names_are_ours
from dfs_store.format.io.place import StoreURL
from dfs_store.format.io.remote import Remote, Want
from dfs_store.format.io.remote_errors import CREDENTIALS, error_text, is_refusal
from dfs_store.format.spec import MAX_HEADER_BYTES, ZARR_JSON

__all__ = ["RemoteTransaction", "check_remote_output"]

# An object next to the arrays of a new store during its upload, so that only one of two writers continues.
_CLAIM = ".writing"
_COMPARED_BYTES = 2**20
_ENDS_BYTES = 2**20


def check_remote_output(place: StoreURL, *, overwrite: bool) -> bool:
    """Checks that a store can be written to a URL, by writing and removing an empty object next to it.

    Returns:
        Whether an existing store will be replaced.

    Raises:
        OutputExistsError: something exists at the URL, and `overwrite` is False or it is not a store.
        OutputNotWritableError: the bucket does not exist, or the server rejects the write.
        StoreUnreachableError: the server does not respond.
    """
    remote = Remote(place)
    if not remote.lists:
        raise OutputNotWritableError(
            f"{place}: plain HTTP is read-only; write the store to a local path, then upload it"
        )
    with _writing(place):
        there = _about(remote, remote.path())
        if there is not None and not overwrite:
            raise OutputExistsError(
                f"{place} already exists, at least in part; choose another URL, or overwrite it "
                "(overwrite=True, --overwrite)"
            )
        if there is not None and not _is_replaceable(remote, there):
            raise OutputExistsError(
                f"{place} exists and is not a store, so it was not overwritten; remove it first"
            )
        folder, _, name = remote.path().rpartition("/")
        probe = f"{folder}/.{name}.{secrets.token_hex(4)}.partial"
        remote.system.pipe_file(probe, b"")
        with contextlib.suppress(Exception):  # without permission to delete, an empty object remains
            remote.system.rm_file(probe)
    return there is not None


def _about(remote: Remote, path: str) -> dict[str, Any] | None:
    remote.system.invalidate_cache()
    try:
        return dict(remote.system.info(path))
    except FileNotFoundError:
        return None


def _is_replaceable(remote: Remote, there: dict[str, Any]) -> bool:
    """Returns whether there is a store at the URL, even a damaged one, or an incomplete upload of one."""
    if container_of(remote.place) != "zarr":
        return there["type"] == "file" and _is_store_object(remote, int(there["size"]))
    if there["type"] != "directory":
        return False
    (header,) = remote.starts([(ZARR_JSON, MAX_HEADER_BYTES)])
    if header is not None and header_is_ours(header):
        return True
    root = f"{remote.path().lstrip('/')}/"
    found = [str(path).lstrip("/").removeprefix(root) for path in remote.system.find(remote.path())]
    return names_are_ours(name for name in found if name != _CLAIM)


def _is_store_object(remote: Remote, size_bytes: int) -> bool:
    """Returns whether an object is empty, or contains one of `NAMES_IN_A_FILE` near its start or end."""
    if size_bytes == 0:
        return True
    start, end = (
        Want("", 0, min(_ENDS_BYTES, size_bytes)),
        Want("", max(0, size_bytes - _ENDS_BYTES), size_bytes),
    )
    return any(name in part.tobytes() for part in remote.gather([start, end]) for name in NAMES_IN_A_FILE)


@contextmanager
def _writing(place: StoreURL) -> Iterator[None]:
    try:
        yield
    except DFSError:
        raise
    except Exception as error:
        raise _writing_error(error, place) from error


def _writing_error(error: Exception, place: StoreURL) -> DFSError:
    reason = error_text(error, place)
    if isinstance(error, FileExistsError):
        return OutputExistsError(
            f"{place}: another process wrote to this URL first, and its store was not replaced; choose "
            "another URL, or overwrite the store"
        )
    if isinstance(error, FileNotFoundError):
        return OutputNotWritableError(
            f"{place}: its bucket or folder does not exist ({reason}); create it first"
        )
    if is_refusal(error):
        return OutputNotWritableError(f"{place}: the server denies write access ({reason}); {CREDENTIALS}")
    if isinstance(error, NotImplementedError):
        return OutputNotWritableError(f"{place}: this protocol is read-only; choose another one")
    return StoreUnreachableError(
        f"{place} cannot be written now ({reason}); check that the server can be reached, and try again"
    )


class RemoteTransaction:
    """Uploads a store to its URL once it is complete (see `format.io.transaction.Transaction`)."""

    def __init__(self, place: StoreURL, *, overwrite: bool) -> None:
        self.shown = place
        self._container = container_of(place)
        self._overwrite = overwrite
        self._replaces = check_remote_output(place, overwrite=overwrite)
        self._remote = Remote(place)
        self._spool: Path | None = None
        self._uploaded: list[str] = []  # for `abort` to remove

    @property
    def written_to(self) -> str:
        """The URL and the local folder to which the store is written first, for error messages."""
        return f"{self.shown} (written first to {self._spool or tempfile.gettempdir()}; see TMPDIR)"

    def begin(self) -> Path:
        """Returns an unused local path. Raises OutputNotWritableError if none can be created."""
        try:
            self._spool = Path(tempfile.mkdtemp(prefix="dfs-store-"))
        except OSError as error:
            raise OutputNotWritableError(
                f"{self.shown} is first written to a temporary local folder, which cannot be created "
                f"({error.strerror}); set TMPDIR to a writable folder"
            ) from error
        return self._spool / self.shown.name

    def commit(self) -> None:
        """Uploads the store.

        Raises:
            OutputExistsError: another process wrote to the URL first.
            OutputNotWritableError: the server rejects the write.
            StoreUnreachableError: the server does not respond.
        """
        assert self._spool is not None
        new = self._spool / self.shown.name
        with _writing(self.shown):
            if not self._overwrite and _about(self._remote, self._remote.path()) is not None:
                raise FileExistsError(errno.EEXIST, "a store already exists there", str(self.shown))
            if self._container != "zarr":
                self._put_new(new, self._remote.path())
            else:
                files = sorted(str(file.relative_to(new)) for file in new.rglob("*") if file.is_file())
                names = [name for name in files if name != ZARR_JSON]
                if self._replaces:
                    self._replace(new, names)
                else:
                    self._claim(self._spool / _CLAIM)
                    self._put_folder(new, names, self._remote.path())
                    with contextlib.suppress(Exception):  # readers ignore the claim
                        self._remote.system.rm_file(f"{self._remote.path()}/{_CLAIM}")
        self._uploaded = []
        self._remove_spool()

    def abort(self) -> None:
        """Removes everything that was written, if the server allows it."""
        for path in self._uploaded:
            with contextlib.suppress(Exception):
                self._remote.system.rm_file(path)
        self._uploaded = []
        self._remove_spool()

    def _remove_spool(self) -> None:
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None

    def _put_folder(self, new: Path, names: Sequence[str], target: str) -> None:
        paths = [f"{target}/{name}" for name in names]
        self._uploaded = [*self._uploaded, *paths]
        self._remote.system.put([str(new / name) for name in names], paths)
        self._put_new(new / ZARR_JSON, f"{target}/{ZARR_JSON}")

    def _claim(self, file: Path) -> None:
        """Uploads an object that identifies this writer, before any other object."""
        file.write_text(secrets.token_hex(16))
        claim = f"{self._remote.path()}/{_CLAIM}"
        self._put_new(file, claim)
        self._uploaded = [claim]

    def _put_new(self, file: Path, target: str) -> None:
        """Uploads an object. Without `overwrite`, fails if it exists and the server supports this check."""
        system = self._remote.system
        if not self._overwrite:
            try:
                system.put_file(str(file), target, mode="create")
            except FileExistsError:
                # A client that received no response retries, and may find the object that it wrote itself.
                if not self._is_ours(file, target):
                    raise
                return
            except (NotImplementedError, TypeError):
                pass  # not supported by this file system
            except OSError as error:
                if error.errno != errno.ENOSYS:  # not supported by this server
                    raise
            else:
                return
        system.put_file(str(file), target)

    def _is_ours(self, file: Path, target: str) -> bool:
        """Returns whether an object is the uploaded file, judging by its size and last megabyte."""
        about, size = _about(self._remote, target), file.stat().st_size
        if about is None or about.get("size") != size:
            return False
        start = max(0, size - _COMPARED_BYTES)
        with file.open("rb") as opened:
            opened.seek(start)
            return bool(opened.read() == self._remote.system.cat_file(target, start=start, end=size))

    def _replace(self, new: Path, names: Sequence[str]) -> None:
        """Replaces a Zarr store. The old one is unchanged until the new one has been uploaded next to it."""
        target, system = self._remote.path(), self._remote.system
        stem = target.removesuffix(self.shown.suffix)
        staging = f"{stem}.new-{secrets.token_hex(4)}{self.shown.suffix}"
        self._put_folder(new, names, staging)
        self._uploaded = []
        try:
            former = set(system.find(target))
            if f"{target}/{ZARR_JSON}" in former:
                # Removed first, so that no reader combines the new arrays with the old root.
                system.rm_file(f"{target}/{ZARR_JSON}")
            for name in (*names, ZARR_JSON):
                system.cp_file(f"{staging}/{name}", f"{target}/{name}")
        except Exception as error:
            failure = _writing_error(error, self.shown)
            raise type(failure)(
                f"{failure}; the new store is complete at {system.unstrip_protocol(staging)}, and the old "
                "one is partly replaced; copy the new store over the old one, or write it again"
            ) from error
        kept = {f"{target}/{name}" for name in (*names, ZARR_JSON)}
        for path in [*(former - kept), *(f"{staging}/{name}" for name in (*names, ZARR_JSON))]:
            with contextlib.suppress(Exception):  # the new store is complete whatever else remains
                system.rm_file(path)
