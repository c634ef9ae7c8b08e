"""The files of a Zarr store that is a zip archive of stored members: mapped, or on a server."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError
from dfs_store.format.io.files import MappedFile
from dfs_store.format.io.place import Place, StoreURL
from dfs_store.format.io.remote import Want
from dfs_store.format.zarr.files import ZarrFiles
from dfs_store.format.zarr.zip_directory import Member, data_start, header_span, read_directory

__all__ = ["MappedZipFiles", "RemoteZipFiles", "open_zip"]

Bytes = npt.NDArray[np.uint8]
_ROOT = "zarr.json"


def open_zip(place: Place) -> ZarrFiles:
    """Opens an archive and checks its list of members.

    Raises:
        StoreNotFoundError: there is nothing.
        NotAStoreError: it is no zip archive, or holds no store at its top.
        DamagedStoreError: it is cut short or breaks a rule of `dfs_store.format.zarr.zip_directory`.
        StoreUnreachableError: it is a URL, and the server does not answer.
    """
    if isinstance(place, StoreURL):
        from dfs_store.format.io.remote_file import RemoteFile

        return RemoteZipFiles(place, RemoteFile(place))
    try:
        mode, size = place.stat().st_mode, place.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreNotFoundError(f"{place}: there is no such store") from error
    except OSError as error:
        raise NotAStoreError(f"{place}: cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(mode) or size == 0:
        raise NotAStoreError(f"{place}: is no zip archive, so it is no store")
    return MappedZipFiles(place, MappedFile(os.path.realpath(place)))


class _Part:
    """Bytes of a mapped file (see `dfs_store.format.zarr.files.MappedBytes`)."""

    def __init__(self, file: MappedFile, start: int, size_bytes: int) -> None:
        self._file, self._start = file, start
        self.size_bytes = size_bytes

    def bytes(self) -> Bytes:
        return self._file.bytes()[self._start : self._start + self.size_bytes]


class _ZipFiles:
    """What both kinds share: the members by name, and where their data begin."""

    def __init__(self, place: Place, file: Any) -> None:  # noqa: ANN401 - MappedFile or RemoteFile
        self.place = place
        self._file = file
        self._members = read_directory(file, str(place))
        self._starts: dict[str, int] = {}
        self._check_top()

    def _check_top(self) -> None:
        nested = [name for name in self._members if name.endswith(f"/{_ROOT}") and name.count("/") == 1]
        if _ROOT not in self._members and nested:
            folder = nested[0].partition("/")[0]
            raise NotAStoreError(
                f"{self.place}: holds no zarr.json at its top; zip what is in the folder {folder}, not the "
                "folder (cd into it, then zip -0 -r ../NAME.zarr.zip .)"
            )

    def where(self, name: str) -> str:
        """Returns the archive's path and the member's name."""
        return f"{self.place}/{name}"

    def has(self, name: str) -> bool:
        """Returns whether there is a member of that name."""
        return name in self._members

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Returns a member's contents; raises DamagedStoreError where it is missing or too long."""
        size = self._member(name).size_bytes
        if size > limit_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: has {size:,} bytes, more than the {limit_bytes:,} allowed"
            )
        start = self._start(name)
        return bytes(self._file.part(start, start + size))

    def read_exactly(self, name: str, size_bytes: int, claim: str) -> bytes:
        """Returns the contents of a member of that size; raises DamagedStoreError where it has another."""
        real = self._member(name).size_bytes
        if size_bytes != real:
            raise DamagedStoreError(
                f"{self.where(name)}: {claim} needs {size_bytes:,} bytes, the file has {real:,}"
            )
        return self.read(name, real)

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the bytes of the archive."""
        return int(self._file.size_bytes)

    def close(self) -> None:
        """Lets go of what was kept."""
        self._file.forget()

    def _member(self, name: str) -> Member:
        try:
            return self._members[name]
        except KeyError:
            raise DamagedStoreError(f"{self.where(name)}: missing or unreadable (no such member)") from None

    def _start(self, name: str) -> int:
        """Returns where a member's data begin; its header is compared with the directory the first time."""
        if name not in self._starts:
            member = self._member(name)
            header = bytes(self._file.part(*header_span(member)))
            self._starts[name] = data_start(header, member, str(self.place))
        return self._starts[name]


class MappedZipFiles(_ZipFiles):
    """An archive on this machine (see `dfs_store.format.zarr.files.ZarrFiles`).

    Every member's header is compared with the directory when it is opened.
    """

    def __init__(self, place: Path, file: MappedFile) -> None:
        super().__init__(place, file)
        for name in self._members:
            self._start(name)

    def mapped(self, name: str) -> _Part:
        """Returns a member's bytes where they lie in the mapped archive."""
        return _Part(self._file, self._start(name), self._member(name).size_bytes)

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns False: all is read from one map, whatever takes the archive's name."""
        return False


class RemoteZipFiles(_ZipFiles):
    """An archive on a server (see `dfs_store.format.zarr.files.RemoteZarrFiles`).

    A member's header is compared with the directory when the member is first read.
    """

    def mapped(self, name: str) -> _Part:
        """Is never asked for: what a server has cannot be mapped."""
        raise NotImplementedError(name)

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Asks for members that will be read next; neighbours lie in one block."""
        spans = [
            (member.header, member.limit)
            for name, limit in limits
            if (member := self._members.get(name)) is not None and member.size_bytes <= limit
        ]
        for start, stop in spans:
            self._file.part(start, stop)

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last bytes of members; None for one that is missing."""
        found = [name for name in names if name in self._members]
        self._find_starts(found)
        spans = []
        for name in found:
            start, size = self._starts[name], self._members[name].size_bytes
            spans.append((start + max(0, size - count_bytes), start + size))
        tails = dict(zip(found, self._file.parts(spans), strict=True))
        return [bytes(tails[name]) if name in tails else None for name in names]

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of members, read-only; raises DamagedStoreError where one ends before."""
        self._find_starts(sorted({want.name for want in wants}))
        spans = []
        for name, start, stop in wants:
            size = self._member(name).size_bytes
            if stop > size:
                raise DamagedStoreError(f"{self.where(name)}: ends after {size:,} bytes, before {stop:,}")
            spans.append((self._starts[name] + start, self._starts[name] + stop))
        found: list[Bytes] = self._file.parts(spans)
        return found

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether another object lies at the URL; looks only if it is suspected."""
        return suspected and bool(self._file.was_replaced())

    def _find_starts(self, names: Sequence[str]) -> None:
        members = [self._member(name) for name in names if name not in self._starts]
        headers = self._file.parts([header_span(member) for member in members])
        for member, header in zip(members, headers, strict=True):
            name = member.name.decode("utf-8", "surrogateescape")
            self._starts[name] = data_start(bytes(header), member, str(self.place))
