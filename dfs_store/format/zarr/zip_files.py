"""Reads the files of a Zarr store in a local or remote zip archive of uncompressed members."""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Sequence
from typing import IO, NamedTuple, cast

from dfs_store.errors import DamagedStoreError, NotAStoreError
from dfs_store.format.io.files import Bytes, ByteSource, MappedFile, Window, missing, stat_store, too_short
from dfs_store.format.io.place import Place, StoreURL
from dfs_store.format.io.remote import Want
from dfs_store.format.spec import ZARR_JSON
from dfs_store.format.zarr.files import RemoteZarrFiles

__all__ = ["Member", "ZipFiles", "list_archive", "open_zip", "read_members"]

_SIGNATURE = b"PK\3\4"
_HEADER = struct.Struct("<4s22x2H")  # header of a member: signature, lengths of its name and extra field
_ENTRY_BYTES = 46  # size of a member's entry in the list, before its name, extra field and comment
_LENGTHS = struct.Struct("<3H")  # lengths of name, extra field and comment, at byte 28 of an entry
_MOST_MEMBERS = 2**17
_MOST_BYTES = 64 * 2**20
_MOST_EXTRA_BYTES = 256  # limit of a member's extra field, which zipfile parses in quadratic time
_ENCRYPTED = 0x2041  # flags of an encrypted member
_KIND, _LINK = 0xF000, 0xA000
# Errors that zipfile raises for a damaged archive.
_ZIP_ERRORS = (zipfile.BadZipFile, ValueError, struct.error, OSError, OverflowError, NotImplementedError)


class Member(NamedTuple):
    """Offset of a member's header, size of its data, and offset of the next member, in bytes."""

    header: int
    size_bytes: int
    limit: int


class _CheckedZip:
    """A file object for zipfile that checks an archive's list of members before zipfile parses it."""

    def __init__(self, source: ByteSource, where: str) -> None:
        self._source, self._where, self._place = source, where, 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = offset + (self._source.size_bytes if whence == io.SEEK_END else 0)
        if place < 0:
            raise OSError(f"byte {place:,} is before the start of the file")
        self._place = place
        return place

    def tell(self) -> int:
        return self._place

    def read(self, count_bytes: int = -1) -> bytes:
        left = max(0, self._source.size_bytes - self._place)
        count_bytes = left if count_bytes < 0 else min(count_bytes, left)
        if count_bytes > _MOST_BYTES:
            raise DamagedStoreError(
                f"{self._where}: its list of members has {count_bytes:,} bytes, but at most {_MOST_BYTES:,} "
                "are allowed"
            )
        data = self._source.part(self._place, self._place + count_bytes).tobytes()
        self._place += count_bytes
        if data.startswith(b"PK\1\2"):
            self._check_list(data)
        return data

    def _check_list(self, data: bytes) -> None:
        count = at = 0
        while at + _ENTRY_BYTES <= len(data):
            name, extra, comment = _LENGTHS.unpack_from(data, at + 28)
            count, at = count + 1, at + _ENTRY_BYTES + name + extra + comment
            if count > _MOST_MEMBERS or extra > _MOST_EXTRA_BYTES:
                raise DamagedStoreError(
                    f"{self._where}: at most {_MOST_MEMBERS:,} members with extra fields of at most "
                    f"{_MOST_EXTRA_BYTES:,} bytes are allowed, got member {count:,} with {extra:,} bytes"
                )


def list_archive(source: ByteSource, where: str) -> zipfile.ZipFile:
    """Opens an archive after checking the size of its list of members.

    Raises:
        NotAStoreError: the file is not a zip archive.
        DamagedStoreError: the archive is truncated, or its list of members is too large.
    """
    try:
        return zipfile.ZipFile(cast(IO[bytes], _CheckedZip(source, where)))
    except DamagedStoreError:
        raise
    except _ZIP_ERRORS as error:
        if source.failure is not None:
            raise source.failure from error
        if source.size_bytes >= len(_SIGNATURE) and source.part(0, len(_SIGNATURE)).tobytes() == _SIGNATURE:
            raise DamagedStoreError(
                f"{where}: its list of members is truncated or damaged ({error})"
            ) from error
        raise NotAStoreError(f"{where} is not a zip archive ({error})") from error


def read_members(source: ByteSource, where: str) -> dict[str, Member]:
    """Returns the members of an archive by name, without folders.

    Members must not be links, compressed or encrypted. Their names must be unique and inside the archive,
    and their bytes must not overlap. The store's digest and checksums detect all other errors. `where` is the
    archive's name for error messages.

    Raises:
        NotAStoreError: the file is not a zip archive.
        DamagedStoreError: the archive is truncated, or breaks a rule.
    """
    archive = list_archive(source, where)
    listed = sorted(archive.infolist(), key=lambda info: info.header_offset)
    limits = [info.header_offset for info in listed[1:]] + [archive.start_dir]
    members: dict[str, Member] = {}
    for info, limit in zip(listed, limits, strict=True):
        name = info.orig_filename
        if problem := _problem(info, limit):
            raise DamagedStoreError(f"{where}: the member {name[:80]!r} {problem}")
        if name in members:
            raise DamagedStoreError(f"{where} has two members named {name[:80]!r}; zip the store again")
        members[name] = Member(info.header_offset, info.file_size, limit)
    return {name: member for name, member in members.items() if not name.endswith("/")}


def _problem(info: zipfile.ZipInfo, limit: int) -> str | None:
    parts = info.orig_filename.removesuffix("/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\\" in info.orig_filename or "\0" in info.orig_filename:
        return "has a path outside the archive; paths must be relative, without '.' and '..'"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted; the members of a store must not be encrypted"
    if info.compress_type != zipfile.ZIP_STORED:
        return "is compressed; zip the store without compression (zip -0), so that it can be memory-mapped"
    if info.external_attr >> 16 & _KIND == _LINK:
        return "is a link; a store must contain all its files"
    if info.header_offset < 0 or info.header_offset + _HEADER.size + info.file_size > limit:
        return "overlaps the next member, or the list of members"
    return None


def open_zip(place: Place) -> "ZipFiles":
    """Opens an archive and checks its list of members.

    Raises:
        StoreNotFoundError: the path does not exist.
        NotAStoreError: the file is not a zip archive, or there is no store at its top level.
        DamagedStoreError: the archive is truncated or breaks a rule of `read_members`.
        StoreUnreachableError: the server of a URL does not respond.
    """
    if isinstance(place, StoreURL):
        from dfs_store.format.io.remote_file import RemoteFile

        return ZipFiles(place, RemoteFile(place))
    found = stat_store(place)
    if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
        raise NotAStoreError(f"{place} is not a zip archive")
    return ZipFiles(place, MappedFile(os.path.realpath(place)))


class ZipFiles(RemoteZarrFiles):
    """Reads the files of a store in a local or remote archive."""

    def __init__(self, place: Place, source: ByteSource) -> None:
        self.place = place
        self._source = source
        self._members = read_members(source, str(place))
        self._starts: dict[str, int] = {}
        nested = [name for name in self._members if name.endswith(f"/{ZARR_JSON}") and name.count("/") == 1]
        if ZARR_JSON not in self._members and nested:
            folder = nested[0].partition("/")[0]
            raise NotAStoreError(
                f"{place} has no zarr.json at its top level; zip the contents of the folder {folder}, not "
                "the folder itself (cd into it, then zip -0 -r ../NAME.zarr.zip .)"
            )

    def has(self, name: str) -> bool:
        """Returns whether a member exists."""
        return name in self._members

    def size_of(self, name: str) -> int:
        """Returns the size of a member in bytes. Raises DamagedStoreError if it is missing."""
        return self._member(name).size_bytes

    def content(self, name: str, size_bytes: int) -> bytes:
        """Returns a member's content. Raises the errors of `mapped`."""
        return self.mapped(name).bytes().tobytes()

    def mapped(self, name: str) -> ByteSource:
        """Returns a member without copying it. Raises DamagedStoreError if it is missing or damaged."""
        member = self._member(name)
        if name not in self._starts:
            header = self._source.part(member.header, member.header + _HEADER.size)
            self._note_start(name, header)
        return Window(self._source, self._starts[name], member.size_bytes)

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Requests the members that will be read next, adjacent ones together."""
        for name, limit in limits:
            member = self._members.get(name)
            if member is not None and member.size_bytes <= limit:
                self._source.part(member.header, member.limit)

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last `count_bytes` of each member, or None if the member is missing."""
        found = [name for name in names if name in self._members]
        sizes = {name: self._members[name].size_bytes for name in found}
        wants = [Want(name, max(0, sizes[name] - count_bytes), sizes[name]) for name in found]
        tails = dict(zip(found, self.gather(wants), strict=True))
        return [tails[name].tobytes() if name in tails else None for name in names]

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of members as read-only arrays. Raises DamagedStoreError if one is too short."""
        new = {want.name: self._member(want.name).header for want in wants if want.name not in self._starts}
        headers = self._source.parts([(header, header + _HEADER.size) for header in new.values()])
        for name, header in zip(new, headers, strict=True):
            self._note_start(name, header)
        for name, _, stop in wants:
            if stop > (size := self._member(name).size_bytes):
                raise too_short(self.where(name), size, stop)
        starts = self._starts
        return self._source.parts(
            [(starts[name] + start, starts[name] + stop) for name, start, stop in wants]
        )

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the size of the archive in bytes."""
        return self._source.size_bytes

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the archive has been replaced. Sends a request only if `suspected` is set."""
        return suspected and self._source.was_replaced()

    def close(self) -> None:
        """Clears the cache of remote blocks."""
        self._source.forget()

    def _member(self, name: str) -> Member:
        try:
            return self._members[name]
        except KeyError:
            raise missing(self.where(name), "member") from None

    def _note_start(self, name: str, header: Bytes) -> None:
        """Records where a member's data start, after its header, name and extra field."""
        member = self._members[name]
        signature, name_length, extra_length = _HEADER.unpack(header.tobytes())
        start = member.header + _HEADER.size + name_length + extra_length
        if signature != _SIGNATURE or start + member.size_bytes > member.limit:
            raise DamagedStoreError(
                f"{self.where(name)}: the member's header is damaged, or it overlaps the next member"
            )
        self._starts[name] = start
