"""Attacks on readers of zip archives: contradictory headers, bombs, malicious paths, truncation."""

import stat
import struct
import zipfile
from pathlib import Path

from tests.attacks.recipes.registry import HARMLESS, attack

ZIP = ".zarr.zip"
END_BYTES, ENTRY_BYTES, HEADER_BYTES = 22, 46, 30
COUNT, SIZE, START, COMMENT = 10, 12, 16, 20  # offsets in the end of the list of members
FLAGS, METHOD, STORED, PLAIN, EXTRA = 8, 10, 20, 24, 30  # offsets in an entry of the list
PLACE, KIND = 42, 38


def rewrite(path: Path, change, **options) -> None:
    """Rewrites the archive. `change(archive, name, data)` writes each member."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path.unlink()
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            change(archive, name, data)


class Raw:
    """The bytes of an archive, with the offsets of its headers."""

    def __init__(self, path: Path) -> None:
        self.path, self.data = path, bytearray(path.read_bytes())
        self.end = len(self.data) - END_BYTES
        self.start = self.get("<I", self.end + START)
        self.entries, at = {}, self.start
        while at < self.end:
            length, extra, comment = struct.unpack_from("<3H", self.data, at + 28)
            self.entries[self.data[at + ENTRY_BYTES : at + ENTRY_BYTES + length].decode()] = at
            at += ENTRY_BYTES + length + extra + comment

    def get(self, kind, place):
        return struct.unpack_from(kind, self.data, place)[0]

    def put(self, kind, place, value):
        struct.pack_into(kind, self.data, place, value)

    def header(self, name):
        return self.get("<I", self.entries[name] + PLACE)

    def save(self):
        self.path.write_bytes(self.data)


@attack("labels/c.0' is compressed; zip the store without", ZIP)
def a_compressed_member(path):
    """A member that must be decompressed before it can be checked."""

    def write(archive, name, data):
        kind = zipfile.ZIP_DEFLATED if name == "labels/c.0" else zipfile.ZIP_STORED
        archive.writestr(name, data, kind)

    rewrite(path, write)


@attack("zarr.json' is compressed", ZIP)
def a_bomb(path):
    """A few kilobytes that decompress to half a gigabyte."""

    def write(archive, name, data):
        if name == "zarr.json":
            with archive.open(zipfile.ZipInfo("zarr.json"), "w") as file:
                file.write(data)
            return
        archive.writestr(name, data)

    rewrite(path, write)
    raw = Raw(path)
    raw.put("<H", raw.entries["zarr.json"] + METHOD, 8)
    raw.put("<I", raw.entries["zarr.json"] + PLAIN, 2**29)
    raw.save()


@attack("is encrypted", ZIP, flags=[0x1, 0x41, 0x2000])
def an_encrypted_member(path, flags):
    """A member that needs a password."""
    raw = Raw(path)
    raw.put("<H", raw.entries["labels/c.0"] + FLAGS, flags)
    raw.save()


@attack("two members named 'labels/c.0'", ZIP)
def a_member_twice(path):
    """Two members with one name: some programs read the first, others the last."""

    def write(archive, name, data):
        archive.writestr(name, data)
        if name == "labels/c.0":
            archive.writestr("labels/c.1", bytes(len(data)))

    rewrite(path, write)
    path.write_bytes(path.read_bytes().replace(b"labels/c.1", b"labels/c.0"))


@attack("overlaps the next member", ZIP)
def members_that_overlap(path):
    """The quoted-overlap bomb, in which many members share the same bytes."""
    raw = Raw(path)
    raw.put("<I", raw.entries["labels/c.0"] + PLACE, raw.header("offsets/c.0"))
    raw.save()


@attack("overlaps the next member", ZIP)
def a_header_that_reaches_into_the_next(path):
    """The sizes in the list are valid, but the member's own extra field moves its data."""
    raw = Raw(path)
    raw.put("<H", raw.header("labels/c.0") + 28, 60_000)
    raw.save()


@attack(
    HARMLESS,
    ZIP,
    kind=["<H", "<I", "<I", "<H", "<4s", "<c"],
    place=[8, 18, 22, 26, 0, HEADER_BYTES],
    value=[8, 3, 3, 9, b"PK\1\2", b"m"],
    words=[HARMLESS, HARMLESS, HARMLESS, "labels must be", "header is damaged", HARMLESS],
)
def a_header_that_differs(path, kind, place, value):
    """A member's own header states another method, size or name than the list."""
    raw = Raw(path)
    raw.put(kind, raw.header("labels/c.0") + place, value)
    raw.save()


@attack(HARMLESS, ZIP)
def two_sizes_in_the_directory(path):
    """A stored member whose two sizes differ."""
    raw = Raw(path)
    raw.put("<I", raw.entries["labels/c.0"] + STORED, 3)
    raw.save()


@attack(
    "has a path outside the archive",
    ZIP,
    name=["../../out", "/etc/passwd", "labels\\c.1", "labels//c.1", "./zarr2", "labels/../c"],
)
def a_path_out_of_the_archive(path, name):
    """Paths that a program would unpack outside its folder."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"text")


@attack("is a link", ZIP)
def a_link(path):
    """A member that is a link to a file of the user who unpacks it."""
    raw = Raw(path)
    raw.put("<I", raw.entries["labels/c.0"] + KIND, (stat.S_IFLNK | 0o777) << 16)
    raw.save()


@attack("truncated", ZIP, keep=[0.3, 0.9, 0.999])
def a_cut_archive(path, keep):
    """An incomplete copy."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


@attack(HARMLESS, ZIP, before=[b"", b"x" * 99], after=[b"x", b""])
def something_around_it(path, before, after):
    """An archive inside another file, for which two programs may find two ends."""
    path.write_bytes(before + path.read_bytes() + after)


@attack("list of members is truncated or damaged", ZIP)
def another_archive_in_the_comment(path):
    """A program that searches backwards for the end finds another list of members."""
    data = bytearray(path.read_bytes())
    hidden = bytes(data)[-END_BYTES:]
    struct.pack_into("<H", data, len(data) - END_BYTES + COMMENT, len(hidden) + 1)
    path.write_bytes(bytes(data) + hidden[:COMMENT] + b"\1\0" + b"x")


@attack(HARMLESS, ZIP, count=[0, 1, 10**4, 2**16 - 2])
def a_false_number_of_members(path, count):
    """Members that some programs see and others do not."""
    raw = Raw(path)
    for place in (COUNT - 2, COUNT):
        raw.put("<H", raw.end + place, count)
    raw.save()


@attack(HARMLESS, ZIP, place=[4, 6, 8])
def a_part_of_several(path, place):
    """Members in other files, which do not exist."""
    raw = Raw(path)
    raw.put("<H", raw.end + place, 7)
    raw.save()


@attack("list of members|overlaps", ZIP, place=[SIZE, START], value=[2**31, 2**31])
def a_directory_elsewhere(path, place, value):
    """A list of members outside the archive."""
    raw = Raw(path)
    raw.put("<I", raw.end + place, value)
    raw.save()


@attack(
    "overlaps|outside|missing|members|two ways", ZIP, size=[2**50, 2**63, 2**64 - 1], place=[0, 0, 2**64 - 30]
)
def a_petabyte_in_64_bits(path, size, place):
    """Sizes whose sum overflows."""
    raw = Raw(path)
    entry = raw.entries["labels/c.0"]
    length, extra = struct.unpack_from("<2H", raw.data, entry + 28)
    field = struct.pack("<2H3Q", 1, 24, size, size, place)
    at = entry + ENTRY_BYTES + length
    for number in (STORED, PLAIN, PLACE):
        raw.put("<I", entry + number, 2**32 - 1)
    raw.put("<H", entry + EXTRA, len(field))
    raw.data[at : at + extra] = field
    raw.put("<I", len(raw.data) - END_BYTES + SIZE, raw.end - raw.start - extra + len(field))
    raw.save()


@attack("list of members is truncated or damaged", ZIP, place=[0, 2**40, 2**64 - 1])
def an_end_in_64_bits_elsewhere(path, place):
    """A second end of the list of members at a wrong offset."""
    data = path.read_bytes()
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    path.write_bytes(data[:-END_BYTES] + locator + data[-END_BYTES:])


@attack("overlaps the next member", ZIP)
def sizes_that_are_missing(path):
    """The list refers to 64-bit sizes that it does not contain."""
    raw = Raw(path)
    raw.put("<I", raw.entries["labels/c.0"] + PLAIN, 2**32 - 1)
    raw.save()


@attack("c.0.0.0.0 is missing or unreadable", ZIP)
def a_shard_that_is_missing(path):
    """A missing shard, which a careless reader would read as zeros."""
    rewrite(path, lambda archive, name, data: "key_frames/c" in name or archive.writestr(name, data))


@attack("131,072", ZIP)
def a_million_members(path):
    """Names alone take all time and memory."""
    raw = Raw(path)
    count = 200_000
    entry = bytes(raw.data[raw.entries["labels/c.0"] :][: ENTRY_BYTES + 10])
    entry = entry[:EXTRA] + bytes(2) + entry[EXTRA + 2 :]
    start = raw.start
    directory = entry * count
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), start, 0)
    path.write_bytes(bytes(raw.data[:start]) + directory + end64 + locator + end)


@attack("extra fields of at most 256", ZIP)
def an_extra_field_that_takes_quadratic_time(path):
    """A thousand extra fields of 16,000 empty fields each, for which zipfile takes minutes."""
    raw = Raw(path)
    length = raw.get("<H", raw.entries["labels/c.0"] + 28)
    at = raw.entries["labels/c.0"]
    field = struct.pack("<2H", 0x7075, 0) * 16_383
    entry = bytes(raw.data[at : at + ENTRY_BYTES + length])
    entry = entry[:EXTRA] + struct.pack("<H", len(field)) + entry[EXTRA + 2 :] + field
    start, directory = raw.start, entry * 1000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1000, 1000, len(directory), start, 0)
    path.write_bytes(bytes(raw.data[:start]) + directory + end)
