"""Writes the files of a Zarr store into a folder, or into a zip archive without compression."""

import contextlib
import os
import struct
import zipfile
from pathlib import Path
from typing import IO, BinaryIO

from dfs_store.format.io.durable import sync_folder, write_synced

__all__ = ["FolderSink", "ZarrSink", "ZipSink"]

_ALIGNMENT_BYTES = 64  # alignment of members, so that frames can be memory-mapped as arrays
_ALIGNMENT_FIELD = 0xD935  # extra field that pads a member's header, as in Android packages
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date, so that equal stores produce equal archives
_MODE = 0o644 << 16
_HEADER_BYTES = 30  # size of a member's header, before its name


class ZarrSink:
    """Writes the files of a store by name, such as "labels/zarr.json", one at a time."""

    def begin(self, name: str) -> IO[bytes]:
        """Creates a file, which the caller writes to and then passes to `end`."""
        raise NotImplementedError

    def end(self, file: IO[bytes]) -> None:
        """Closes a file."""
        file.close()

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file."""
        raise NotImplementedError

    def settle(self, folder: str) -> None:
        """Flushes a folder ("" is the root) to disk, unless `finish` flushes the whole store."""

    def finish(self) -> None:
        """Flushes the store to disk after the last file, unless each file has already been flushed."""

    def close(self) -> None:
        """Closes everything that `end` and `finish` have not closed."""


class FolderSink(ZarrSink):
    """A folder, created at `root`. Every file is flushed to disk when it is closed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir()

    def begin(self, name: str) -> IO[bytes]:
        """Creates a file."""
        return self._place(name).open("xb")

    def end(self, file: IO[bytes]) -> None:
        """Flushes a file to disk and closes it."""
        file.flush()
        os.fsync(file.fileno())
        file.close()

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file and flushes it to disk."""
        write_synced(self._place(name), data)

    def settle(self, folder: str) -> None:
        """Flushes a folder's directory entries to disk."""
        sync_folder(self._root / folder)

    def _place(self, name: str) -> Path:
        place = self._root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


class ZipSink(ZarrSink):
    """A zip archive, created at `path`. Members are uncompressed, aligned to 64 bytes, and have no date."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("x+b")
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)

    def begin(self, name: str) -> IO[bytes]:
        """Creates a member."""
        return self._archive.open(self._member(name), "w")

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole member."""
        self._archive.writestr(self._member(name), data)

    def finish(self) -> None:
        """Writes the list of members and flushes the archive to disk."""
        self._archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Closes the file, which is a valid archive only if `finish` has been called."""
        self._archive.fp = None  # otherwise the destructor would write the list of members
        # A write error, such as a full disk, is raised again when the file is closed.
        with contextlib.suppress(OSError):
            self._file.close()

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(name, _DATE)
        member.external_attr = _MODE
        begin = self._file.tell() + _HEADER_BYTES + len(name.encode()) + 4  # the extra field's own header
        padding = -begin % _ALIGNMENT_BYTES
        member.extra = struct.pack("<HH", _ALIGNMENT_FIELD, padding) + bytes(padding)
        return member
