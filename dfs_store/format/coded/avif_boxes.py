"""What an AVIF file asks of a decoder, read from its boxes and AV1 headers before anything is decoded.

A decoder takes memory for the sizes in the AV1 stream, not for those in the boxes, and a few hundred bytes
can ask for pictures of 16384x16384. So every place that a decoder may start at is checked: the samples fill
the box `mdat` one after the other, and each consists of whole units (OBU) whose sequence headers state the
size of the store's frames. libavif writes such files.
"""

import struct
from collections.abc import Iterator

__all__ = ["Boxes", "check_file"]

Span = tuple[int, int]
_HEADER = struct.Struct(">I4s")
# Boxes that contain boxes, and the bytes before those.
_PARENTS = dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco"), 0) | {b"meta": 4}
# All that may be in a file, without transparency, derived or attached pictures.
_KNOWN = frozenset(
    {*_PARENTS, b"ftyp", b"mdat", b"hdlr", b"pitm", b"iloc", b"iinf", b"ipma", b"ispe", b"pixi", b"av1C"}
    | {b"colr", b"mvhd", b"tkhd", b"edts", b"mdhd", b"vmhd", b"dinf", b"stsd", b"stts", b"stsc", b"stsz"}
    | {b"stco", b"stss"}
)
_ONCE = (b"ftyp", b"meta", b"mdat", b"iloc", b"iinf", b"ispe")
_TRACK = (b"stsc", b"stsz", b"stco", b"stsd")
_SEQUENCE_HEADER = 1


class Boxes:
    """The boxes of a file; raises ValueError if they do not fill it exactly.

    Args:
        data: the file.
    """

    def __init__(self, data: bytes) -> None:
        self._found: dict[bytes, list[Span]] = {}
        self._read(data, 0, len(data), depth=0)

    def find(self, name: bytes) -> list[Span]:
        """Returns where the contents of the boxes of that name start and end."""
        return self._found.get(name, [])

    @property
    def names(self) -> set[bytes]:
        """Names of all boxes."""
        return set(self._found)

    def _read(self, data: bytes, start: int, end: int, depth: int) -> None:
        while start < end:
            if end - start < _HEADER.size or depth > len(_PARENTS):
                raise ValueError("its boxes are cut short")
            size, name = _HEADER.unpack_from(data, start)
            first, last = start + _HEADER.size, start + size
            if size < _HEADER.size or last > end:
                raise ValueError(f"its box {name!r} does not fit into the file")
            self._found.setdefault(name, []).append((first, last))
            if name in _PARENTS:
                self._read(data, first + _PARENTS[name], last, depth + 1)
            start = last


def check_file(data: bytes, count: int, height: int, width: int) -> None:
    """Checks that decoding an AVIF file takes the memory of `count` frames of this size.

    Raises:
        ValueError: it contains something else, or could.
    """
    boxes = Boxes(data)
    if unknown := boxes.names - _KNOWN:
        raise ValueError(f"must not contain the boxes {sorted(unknown)}")
    tracks = int(count > 1)
    for name, times in {**dict.fromkeys(_ONCE, 1), **dict.fromkeys(_TRACK, tracks)}.items():
        if len(boxes.find(name)) != times:
            raise ValueError(f"must have {times} boxes {name!r} for {count} frames")
    start, end = boxes.find(b"mdat")[0]
    sizes = _sample_sizes(data, boxes, count, start) if tracks else [end - start]
    if sum(sizes) != end - start or min(sizes) < 1:
        raise ValueError("its samples must fill the box mdat")
    # The first frame is also the file's one item, the still picture.
    _check_item(data, boxes.find(b"iloc")[0], (start, sizes[0]))
    _check_picture_size(data, boxes.find(b"ispe")[0], height, width)
    if _number(data, boxes.find(b"iinf")[0], 4, 2) != 1:
        raise ValueError("must have one item")
    for size in sizes:
        _check_sample(data[start : start + size], height, width)
        start += size


def _sample_sizes(data: bytes, boxes: Boxes, count: int, start: int) -> list[int]:
    """Returns the bytes of each frame of the sequence; they follow each other from `start`."""
    chunks, offsets, sizes = (boxes.find(name)[0] for name in (b"stsc", b"stco", b"stsz"))
    if _numbers(data, chunks) != [1, 1, count, 1] or _numbers(data, offsets) != [1, start]:
        raise ValueError(f"must be a sequence of {count} frames in one piece")
    uniform, number, *each = _numbers(data, sizes)
    if number != count or (each and uniform) or len(each) not in (0, count):
        raise ValueError(f"must be a sequence of {count} frames, got {number}")
    return each or [uniform] * count


def _numbers(data: bytes, span: Span) -> list[int]:
    """Returns the contents of a box as whole numbers of 32 bits, without its version and flags."""
    start, end = span
    if (end - start) % 4 or end - start < 12:
        raise ValueError("its table of frames is cut short")
    return list(struct.unpack(f">{(end - start) // 4}I", data[start:end]))[1:]


def _number(data: bytes, span: Span, offset: int, size: int) -> int:
    start, end = span
    if start + offset + size > end:
        raise ValueError("a box is cut short")
    return int.from_bytes(data[start + offset : start + offset + size], "big")


def _check_item(data: bytes, span: Span, extent: Span) -> None:
    # Version 0, offsets and lengths of 4 bytes, no base, one item of one extent in this file.
    expected = bytes.fromhex("00000000 4400 0001 0001 0000 0001") + struct.pack(">2I", *extent)
    if data[span[0] : span[1]] != expected:
        raise ValueError("its item must be the first frame")


def _check_picture_size(data: bytes, span: Span, height: int, width: int) -> None:
    found = _number(data, span, 8, 4), _number(data, span, 4, 4)
    if found != (height, width):
        raise ValueError(f"must be pictures of {height}x{width}, its header says {found[0]}x{found[1]}")


def _check_sample(data: bytes, height: int, width: int) -> None:
    for kind, content in _units(data):
        if kind == _SEQUENCE_HEADER and (found := _sequence_size(content)) != (height, width):
            raise ValueError(f"must be frames of {height}x{width}, its AV1 stream has {found[0]}x{found[1]}")


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields type and content of the units (OBU) that fill a sample."""
    at = 0
    while at < len(data):
        header = data[at]
        if header & 0x83 != 0x02:  # forbidden bit, reserved bit; every unit states its size
            raise ValueError("a unit of its AV1 stream is damaged")
        at += 2 if header & 0x04 else 1
        size, at = _leb128(data, at)
        if at + size > len(data):
            raise ValueError("its AV1 stream is cut short")
        yield header >> 3 & 0x0F, data[at : at + size]
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(5):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << 7 * number
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise ValueError("its AV1 stream is cut short")


class _Bits:
    """Bits of a header, the highest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the sequence header of its AV1 stream is cut short")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


def _sequence_size(data: bytes) -> tuple[int, int]:
    """Returns the height and width that a sequence header allows (section 5.5.1 of the AV1 specification)."""
    bits = _Bits(data)
    bits.take(3 + 1)  # profile, still picture
    if bits.take(1):  # reduced header of a still picture
        bits.take(5)
    else:
        if bits.take(1):
            raise ValueError("its AV1 stream must have no timing information")
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delays and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(width_bits) + 1, bits.take(height_bits) + 1
    # A frame may state a size of its own in so many bits; then it takes at most four times the memory.
    if (width_bits, height_bits) != (max(1, (width - 1).bit_length()), max(1, (height - 1).bit_length())):
        raise ValueError("its AV1 stream must state sizes in as few bits as they need")
    return height, width
