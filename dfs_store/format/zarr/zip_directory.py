"""The list of members of a zip archive, read strictly: one reading only, and nothing but stored members.

Zip readers differ on archives that say a thing twice (in a member's own header and in the directory at the
end), so that what one program checked another would not see. Here both must agree, and members must neither
be compressed, encrypted, listed twice nor overlap.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, NotAStoreError

__all__ = ["ByteSource", "Member", "data_start", "header_span", "read_directory"]

_END = struct.Struct("<4s4H2LH")  # signature, disks, members, size and place of the directory, comment
_LOCATOR = struct.Struct("<4sLQL")  # signature, disk, place of the end in 64 bits, disks
_END64 = struct.Struct("<4sQ2H2L4Q")  # signature, size, versions, disks, members, size and place
_ENTRY = struct.Struct("<4s6H3L5H2L")
_HEADER = struct.Struct("<4s5H3L2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ZIP64 = 0x0001
_ENCRYPTED, _SIZES_FOLLOW = 0x2041, 0x0008  # bits of the flags: any encryption; sizes behind the data
_UNIX_KIND, _LINK = 0xF000, 0xA000
_MOST_MEMBERS = 2**17
_MOST_BYTES = 64 * 2**20


class ByteSource(Protocol):
    """A file of which parts are read: mapped, or on a server."""

    size_bytes: int

    def part(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Returns bytes start..stop."""
        ...


@dataclass(frozen=True)
class Member:
    """A stored member.

    Attributes:
        name: as the archive's directory writes it.
        header: where its own header begins.
        size_bytes: of its data.
        limit: where the next member, or the directory, begins.
    """

    name: bytes
    header: int
    size_bytes: int
    limit: int


def read_directory(file: ByteSource, path: str) -> dict[str, Member]:
    """Reads and checks the list of members.

    Args:
        file: the archive.
        path: of it, for messages.

    Returns:
        The members by name, without folders.

    Raises:
        NotAStoreError: it is no zip archive.
        DamagedStoreError: it is cut short, or breaks a rule.
    """
    start, stop, count = _find_directory(file, path)
    data = _bytes(file, start, stop, path)
    entries = []
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(data):
            raise DamagedStoreError(f"{path}: its list of members ends before the last of {count:,}")
        name, header, size, length, at = _entry(data, at, path)
        entries.append((header, size, length, name))
    if at != len(data):
        raise DamagedStoreError(f"{path}: its list of members is longer than its {count:,} members")
    entries.sort()
    limits = [entry[0] for entry in entries[1:]] + [start]
    members: dict[str, Member] = {}
    for (header, size, length, name), limit in zip(entries, limits, strict=True):
        if header + _HEADER.size + length + size > limit:
            raise DamagedStoreError(f"{path}: the member {_shown(name)} overlaps what follows it")
        text = _checked_name(name, path)
        if text in members:
            raise DamagedStoreError(f"{path}: has two members called {_shown(name)}; zip the store anew")
        if not text.endswith("/"):
            members[text] = Member(name, header, size, limit)
    return members


def data_start(header: bytes, member: Member, path: str) -> int:
    """Returns where the data of a member begin, once its own header agrees with the directory.

    Args:
        header: the bytes of `header_span`.
        member: what the directory says.
        path: of the archive, for messages.

    Raises:
        DamagedStoreError: they differ, or the data would run into what follows.
    """
    signature, _, flags, method, _, _, _, stored, size, name_length, extra = _HEADER.unpack_from(header)
    name = header[_HEADER.size :]
    sizes_later = flags & _SIZES_FOLLOW
    told = member.size_bytes if member.size_bytes < _FULL32 else _FULL32
    agrees = all(each in ({told, 0, _FULL32} if sizes_later else {told, _FULL32}) for each in (stored, size))
    if signature != b"PK\3\4" or name_length != len(name) or name != member.name or method or not agrees:
        raise DamagedStoreError(
            f"{path}: the member {_shown(member.name)} is described in two ways that differ"
        )
    begin: int = member.header + _HEADER.size + name_length + extra
    if begin + member.size_bytes > member.limit:
        raise DamagedStoreError(f"{path}: the member {_shown(member.name)} overlaps what follows it")
    return begin


def header_span(member: Member) -> tuple[int, int]:
    """Returns where a member's own header and its name lie."""
    return member.header, member.header + _HEADER.size + len(member.name)


def _find_directory(file: ByteSource, path: str) -> tuple[int, int, int]:
    """Returns where the list of members begins and ends, and how many there are."""
    end = file.size_bytes - _END.size
    tail = bytes(file.part(end, file.size_bytes)) if end >= 0 else b""
    if not tail.startswith(b"PK\5\6") or tail[-2:] != b"\0\0":
        if file.size_bytes >= 4 and bytes(file.part(0, 4)) == b"PK\3\4":
            raise DamagedStoreError(
                f"{path}: does not end as a zip archive without a comment does; it is cut short, or more was "
                "written behind it"
            )
        raise NotAStoreError(f"{path}: is no zip archive, so it is no store")
    _, disk, first_disk, here, count, size, start, _ = _END.unpack(tail)
    claims, full = [here, count, size, start], [_FULL16, _FULL16, _FULL32, _FULL32]
    place = end - _LOCATOR.size
    if place >= 0 and bytes(file.part(place, place + 4)) == b"PK\6\7":
        _, locator_disk, end64, disks = _LOCATOR.unpack(bytes(file.part(place, end)))
        if end64 + _END64.size > place:
            raise DamagedStoreError(f"{path}: the end of its list of members lies outside the archive")
        large = _END64.unpack(bytes(file.part(end64, end64 + _END64.size)))
        signature, _, _, _, disk, first_disk = large[:6]
        agree = all(a in (b, most) for a, b, most in zip(claims, large[6:], full, strict=True))
        if signature != b"PK\6\6" or locator_disk or disks > 1 or not agree:
            raise DamagedStoreError(f"{path}: its list of members is described in two ways that differ")
        claims, end = list(large[6:]), end64
    here, count, size, start = claims
    if disk or first_disk or here != count:
        raise DamagedStoreError(f"{path}: is a part of a zip archive over several files; join them")
    if start + size != end:
        raise DamagedStoreError(
            f"{path}: its list of members should take bytes {start:,} + {size:,} and end at {end:,}; it is "
            "cut short, or something lies before or behind the archive"
        )
    if count > _MOST_MEMBERS or size > _MOST_BYTES or count * _ENTRY.size > size:
        raise DamagedStoreError(
            f"{path}: claims {count:,} members in {size:,} bytes; at most {_MOST_MEMBERS:,} in "
            f"{_MOST_BYTES:,} are read"
        )
    return start, end, count


def _entry(data: bytes, at: int, path: str) -> tuple[bytes, int, int, int, int]:
    """Returns name, place and size of a member, the length of its name, and where the next entry begins."""
    (
        signature, _, _, flags, method, _, _, _, stored, size,
        name_length, extra_length, comment_length, disk, _, attributes, header,
    ) = _ENTRY.unpack_from(data, at)  # fmt: skip
    name_end = at + _ENTRY.size + name_length
    extra_end = name_end + extra_length
    name = data[at + _ENTRY.size : name_end]
    if signature != b"PK\1\2" or extra_end + comment_length > len(data):
        raise DamagedStoreError(f"{path}: its list of members is damaged")
    if flags & _ENCRYPTED:
        raise DamagedStoreError(f"{path}: the member {_shown(name)} is encrypted; a store's must not be")
    if method:
        raise DamagedStoreError(
            f"{path}: the member {_shown(name)} is compressed; members must be stored as they are (zip -0), "
            "so that they can be mapped"
        )
    if attributes >> 16 & _UNIX_KIND == _LINK:
        raise DamagedStoreError(f"{path}: the member {_shown(name)} is a link; a store holds its own files")
    if _FULL32 in (size, stored, header):
        size, stored, header = _large(data[name_end:extra_end], (size, stored, header), name, path)
    if size != stored or disk not in (0, _FULL16):
        raise DamagedStoreError(f"{path}: the member {_shown(name)} has two sizes, {stored:,} and {size:,}")
    return name, header, size, name_length, extra_end + comment_length


def _large(extra: bytes, claims: tuple[int, int, int], name: bytes, path: str) -> tuple[int, int, int]:
    """Returns size, stored size and place of a member, those that do not fit 32 bits from its extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64:
            field = extra[at + 4 : at + 4 + length]
            numbers = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            found = [next(numbers, None) if claim == _FULL32 else claim for claim in claims]
            if None not in found:
                size, stored, header = (int(number or 0) for number in found)
                return size, stored, header
        at += 4 + length
    raise DamagedStoreError(f"{path}: the size or place of the member {_shown(name)} is missing")


def _checked_name(name: bytes, path: str) -> str:
    text = name.decode("utf-8", "surrogateescape")
    parts = text.removesuffix("/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\\" in text or "\0" in text:
        raise DamagedStoreError(
            f"{path}: the member {_shown(name)} leads out of the archive; names must be plain paths below it"
        )
    return text


def _bytes(file: ByteSource, start: int, stop: int, path: str) -> bytes:
    data = bytes(file.part(start, stop))
    if len(data) != stop - start:
        raise DamagedStoreError(f"{path}: ends before its list of members does")
    return data


def _shown(name: bytes) -> str:
    return repr(name[:80].decode("utf-8", "backslashreplace"))
