"""Takes AVIF and WebP files apart and puts them together again, for attacks."""

import struct

from dfs_store.format.coded.avif_boxes import _BEFORE, _CONTENTS


class Box:
    """A box of an AVIF file.

    Args:
        name: four letters; "" for the whole file.
        content: the bytes of the box, up to its first inner box.
        boxes: the inner boxes.
    """

    def __init__(self, name: bytes, content: bytes = b"", boxes=()):
        self.name, self.content, self.boxes = name, bytes(content), list(boxes)

    def find(self, *names: bytes) -> "Box":
        """Returns the box at the end of a path."""
        found = self
        for name in names:
            found = next(box for box in found.boxes if box.name == name)
        return found

    def remove(self, *names: bytes) -> "Box":
        """Removes the box at the end of a path, and returns it."""
        parent = self.find(*names[:-1])
        found = parent.find(names[-1])
        parent.boxes.remove(found)
        return found

    def data(self) -> bytes:
        """Returns the bytes of the box."""
        content = self.content + b"".join(box.data() for box in self.boxes)
        return struct.pack(">I4s", 8 + len(content), self.name) + content if self.name else content


def parse_avif(data: bytes, name: bytes = b"") -> Box:
    """Parses the boxes of a file."""
    before = _BEFORE.get(name, 0)
    found, at = Box(name, data[:before]), before
    while at < len(data):
        size, inner = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + size]
        found.boxes.append(parse_avif(content, inner) if inner in _CONTENTS else Box(inner, content))
        at += size
    return found


def build_avif(file: Box, samples: list[bytes] | None = None) -> bytes:
    """Returns a file of boxes, with tables that state where the samples are.

    Args:
        file: the boxes.
        samples: samples in place of the content of mdat.
    """
    if samples is not None:
        file.find(b"mdat").content = b"".join(samples)
        place = file.find(b"meta", b"iloc")
        place.content = place.content[:-4] + struct.pack(">I", len(samples[0]))
        if len(samples) > 1:
            sizes = struct.pack(f">{3 + len(samples)}I", 0, 0, len(samples), *map(len, samples))
            _table(file).find(b"stsz").content = sizes
    start = struct.pack(">I", file.data().index(file.find(b"mdat").data()) + 8)
    place = file.find(b"meta", b"iloc")
    place.content = place.content[:-8] + start + place.content[-4:]
    if any(box.name == b"moov" for box in file.boxes):
        _table(file).find(b"stco").content = bytes(7) + b"\x01" + start
    return file.data()


def _table(file: Box) -> Box:
    return file.find(b"moov", b"trak", b"mdia", b"minf", b"stbl")


def samples_of(file: Box) -> list[bytes]:
    """Returns the samples of a file, one per frame."""
    content = file.find(b"mdat").content
    if all(box.name != b"moov" for box in file.boxes):
        return [content]
    sizes = _table(file).find(b"stsz").content
    _, uniform, count, *each = struct.unpack(f">{len(sizes) // 4}I", sizes)
    found, at = [], 0
    for size in each or [uniform] * count:
        found.append(content[at : at + size])
        at += size
    return found


def unit(kind: int, content: bytes, *, extension: bytes = b"") -> bytes:
    """Returns a unit (OBU) of an AV1 stream."""
    size = len(content)
    lengths = bytes([size & 0x7F | 0x80 * (size > 0x7F)]) + (bytes([size >> 7]) if size > 0x7F else b"")
    return bytes([kind << 3 | (4 if extension else 0) | 2]) + extension + lengths + content


def sequence_header(sample: bytes) -> tuple[int, int]:
    """Returns where the content of a sample's sequence header (below 128 bytes) starts and ends."""
    at = 0
    while sample[at] >> 3 & 0x0F != 1:
        at += 2 + sample[at + 1]
    return at + 2, at + 2 + sample[at + 1]


def with_stream_size(sample: bytes, height: int, width: int, spare_bits: int = 0) -> bytes:
    """Returns a sample whose sequence header states another size, with spare bits if requested."""
    start, end = sequence_header(sample)
    bits = "".join(f"{byte:08b}" for byte in sample[start:end])
    at = 10 if bits[4] == "1" else 3 + 1 + 1 + 2 + 5 + 12 + 5 + (int(bits[24:29], 2) > 7)
    old = [int(bits[at : at + 4], 2) + 1, int(bits[at + 4 : at + 8], 2) + 1]
    new = [max(1, (side - 1).bit_length()) + spare_bits for side in (width, height)]
    sizes = f"{new[0] - 1:04b}{new[1] - 1:04b}{width - 1:0{new[0]}b}{height - 1:0{new[1]}b}"
    bits = bits[:at] + sizes + bits[at + 8 + sum(old) :]
    bits += "0" * (-len(bits) % 8)
    content = bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))
    return sample[: start - 2] + unit(1, content) + sample[end:]


def webp_file(*chunks: tuple[bytes, bytes]) -> bytes:
    """Returns a WebP file of chunks (name, content)."""
    parts = [name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8_of(file: bytes) -> bytes:
    """Returns the content of the only chunk of a WebP file."""
    return file[20 : 20 + int.from_bytes(file[16:20], "little")]
