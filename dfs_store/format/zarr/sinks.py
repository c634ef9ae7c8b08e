"""Where a Zarr writer puts files: into a folder, or into a zip archive as stored members."""

import contextlib
import os
import struct
import zipfile
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from dfs_store.format.io.durable import sync_folder, write_synced

__all__ = ["FolderSink", "ZarrSink", "ZipSink"]

_ALIGNMENT_BYTES = 64  # of members, so that frames can be mapped as arrays
_ALIGNMENT_FIELD = 0xD935  # the extra field that fills a member's header up, as in Android's packages
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest; equal stores are to be equal archives
_MODE = 0o644 << 16
_HEADER_BYTES = 30  # of a member, before its name


class ZarrSink(Protocol):
    """Takes in the files of a store, by their names, "labels/zarr.json"; one at a time."""

    def begin(self, name: str) -> IO[bytes]:
        """Returns a new file, to be written and then given to `end`."""
        ...

    def end(self, file: IO[bytes]) -> None:
        """Ends a file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file."""
        ...

    def settle(self, folder: str) -> None:
        """Makes safe what a folder holds; the root is ""."""
        ...

    def finish(self) -> None:
        """Makes all safe, once the last file is written."""
        ...

    def close(self) -> None:
        """Closes what is open; the store need not be finished."""
        ...


class FolderSink:
    """A folder, made at `root`; every file is safe on disk once it is written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir()

    def begin(self, name: str) -> IO[bytes]:
        """Returns a new file."""
        return self._place(name).open("xb")

    def end(self, file: IO[bytes]) -> None:
        """Waits until the disk holds a file, and closes it."""
        file.flush()
        os.fsync(file.fileno())
        file.close()

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file and waits until the disk holds it."""
        write_synced(self._place(name), data)

    def settle(self, folder: str) -> None:
        """Waits until the disk holds a folder's list of names."""
        sync_folder(self._root / folder)

    def finish(self) -> None:
        """Does nothing: every file is safe."""

    def close(self) -> None:
        """Does nothing: every file is closed."""

    def _place(self, name: str) -> Path:
        place = self._root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


class ZipSink:
    """A zip archive, made at `path`: members are stored, begin at multiples of 64 bytes, and bear no date."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("x+b")
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)

    def begin(self, name: str) -> IO[bytes]:
        """Returns a new member."""
        return self._archive.open(self._member(name), "w")

    def end(self, file: IO[bytes]) -> None:
        """Ends a member."""
        file.close()

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole member."""
        self._archive.writestr(self._member(name), data)

    def settle(self, folder: str) -> None:
        """Does nothing: the archive is made safe as one."""

    def finish(self) -> None:
        """Writes the list of members and waits until the disk holds the archive."""
        self._archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Closes the file; what was not finished is no archive."""
        self._archive.fp = None  # or it would write its list of members when it is collected
        # What a full disk refused before, it refuses again when the file is closed.
        with contextlib.suppress(OSError):
            self._file.close()

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(name, _DATE)
        member.external_attr = _MODE
        begin = self._file.tell() + _HEADER_BYTES + len(name.encode()) + 4  # the extra field's own header
        padding = -begin % _ALIGNMENT_BYTES
        member.extra = struct.pack("<HH", _ALIGNMENT_FIELD, padding) + bytes(padding)
        return member
