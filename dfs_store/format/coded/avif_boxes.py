"""Checks the boxes and AV1 headers of an AVIF file, to limit the time and memory that decoding takes.

A decoder allocates memory for the frame sizes in the AV1 stream, not for those in the boxes. A few hundred
bytes can require images of 16384x16384, thousands of hidden frames, or tables that are searched for every
frame. Therefore, a file may contain only the small boxes that libavif writes, each once and in its place.
Samples must fill the box `mdat` one after the other. Every sample is checked, because a decoder may start at
any of them. A sample must consist of a few whole units (OBUs), whose sequence headers must state the size of
the store's frames.
"""

import struct
from collections.abc import Iterator

from dfs_store.names import counted

__all__ = ["Boxes", "check_file"]

Span = tuple[int, int]
_HEADER = struct.Struct(">I4s")
# Boxes allowed in each box; "" is the file. Images must not be transparent, derived, attached or rotated.
_CONTENTS = {
    b"": b"ftyp meta moov mdat",
    b"meta": b"hdlr pitm iloc iinf iprp",
    b"iinf": b"infe",
    b"iprp": b"ipco ipma",
    b"ipco": b"ispe pixi av1C colr",
    b"moov": b"mvhd trak",
    b"trak": b"tkhd edts mdia",
    b"mdia": b"mdhd hdlr minf",
    b"minf": b"vmhd dinf stbl",
    b"stbl": b"stsd stts stsc stsz stco stss",
    b"stsd": b"av01",
    b"av01": b"av1C colr ccst pixi",
}
# Number of bytes in a box before its first inner box.
_BEFORE = {b"meta": 4, b"iinf": 6, b"stsd": 8, b"av01": 78}
_STILL = (b"ftyp", b"meta", b"iloc", b"infe", b"ispe", b"mdat")
_SEQUENCE = (b"moov", b"tkhd", b"stsd", b"stts", b"stsc", b"stsz", b"stco")
_MOST_BYTES = 256  # size limit of a box without inner boxes
_PER_FRAME = {b"stsz": 4, b"stss": 4}  # additional bytes allowed per frame
_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6
_BEGIN, _TILES = 2, 4
_KINDS = frozenset({_BEGIN, _SEQUENCE_HEADER, _FRAME_HEADER, _TILES, _FRAME})
# Limits per sample. libaom's pyramid of hidden frames has five levels, and its last frame is shown.
_MOST_FRAMES, _MOST_UNITS = 8, 64


class Boxes:
    """The boxes of an AVIF file.

    Args:
        data: content of the file.

    Raises:
        ValueError: the boxes do not fill the file exactly, or one of them is not allowed in its place.
    """

    def __init__(self, data: bytes) -> None:
        self._found: dict[bytes, list[Span]] = {}
        self._read(data, 0, len(data), b"")

    def find(self, name: bytes) -> list[Span]:
        """Returns the start and end of the content of each box with this name."""
        return self._found.get(name, [])

    @property
    def leaves(self) -> Iterator[tuple[bytes, int]]:
        """Yields the name and content size of each box that contains no other boxes."""
        for name, spans in self._found.items():
            if name not in _CONTENTS:
                yield from ((name, end - start) for start, end in spans)

    def _read(self, data: bytes, start: int, end: int, parent: bytes) -> None:
        left = _CONTENTS[parent].split()
        while start < end:
            if end - start < _HEADER.size:
                raise ValueError("the boxes are truncated")
            size, name = _HEADER.unpack_from(data, start)
            first, last = start + _HEADER.size, start + size
            if size < _HEADER.size or last > end:
                raise ValueError(f"the box {name!r} does not fit into the file")
            if name not in left:
                raise ValueError(f"the box {name!r} is in the wrong place, or occurs too often")
            left.remove(name)
            self._found.setdefault(name, []).append((first, last))
            if name in _CONTENTS:
                self._read(data, first + _BEFORE.get(name, 0), last, name)
            start = last


def check_file(data: bytes, count: int, height: int, width: int) -> None:
    """Checks that decoding an AVIF file takes no more time and memory than `count` frames of this size need.

    Raises:
        ValueError: the file contains more than these frames need, or parts that cannot be checked.
    """
    boxes = Boxes(data)
    for name, size in boxes.leaves:
        limit = _MOST_BYTES + _PER_FRAME.get(name, 0) * count
        if name != b"mdat" and size > limit:
            raise ValueError(f"the box {name!r} must have at most {limit:,} bytes, got {size:,}")
    for name in _STILL + _SEQUENCE:
        times = int(name in _STILL or count > 1)
        if len(boxes.find(name)) != times:
            raise ValueError(
                f"a file of {counted(count, 'frame')} must have {'one' if times else 'no'} {name!r} box"
            )
    start, end = boxes.find(b"mdat")[0]
    sizes = _sample_sizes(data, boxes, count, start) if count > 1 else [end - start]
    if sum(sizes) != end - start or min(sizes) < 1:
        raise ValueError("the samples must fill the mdat box")
    # The only item of the file, its still image, must be the first frame.
    _check_item(data, boxes, (start, sizes[0]))
    _check_picture_size(data, boxes, height, width)
    for number, size in enumerate(sizes):
        kinds = _check_sample(data[start : start + size], height, width)
        if number == 0 and _SEQUENCE_HEADER not in kinds:
            raise ValueError("the AV1 stream must begin with a sequence header")
        start += size


def _sample_sizes(data: bytes, boxes: Boxes, count: int, start: int) -> list[int]:
    """Returns the size in bytes of each frame in the sequence. The first frame begins at `start`."""
    times, chunks, offsets, sizes = (
        _numbers(data, boxes.find(name)[0]) for name in (b"stts", b"stsc", b"stco", b"stsz")
    )
    # One entry must cover all frames, because libavif searches the table of times anew for every frame.
    if times[:2] != [1, count] or chunks != [1, 1, count, 1] or offsets != [1, start]:
        raise ValueError(f"the file must be one contiguous sequence of {count} frames")
    uniform, number, *each = sizes
    if number != count or (each and uniform) or len(each) not in (0, count):
        raise ValueError(f"the file must be a sequence of {count} frames, got {number}")
    return each or [uniform] * count


def _numbers(data: bytes, span: Span) -> list[int]:
    """Returns the content of a box as 32-bit numbers, without its version and flags."""
    start, end = span
    if (end - start) % 4 or end - start < 12 or any(data[start : start + 4]):
        raise ValueError("the table of frames cannot be read")
    return list(struct.unpack(f">{(end - start) // 4}I", data[start:end]))[1:]


def _check_item(data: bytes, boxes: Boxes, extent: Span) -> None:
    place, about = (data[slice(*boxes.find(name)[0])] for name in (b"iloc", b"infe"))
    # Version 0; offsets and lengths of 4 bytes; no base; one item with one extent in this file.
    if place != bytes.fromhex("00000000 4400 0001 0001 0000 0001") + struct.pack(">2I", *extent):
        raise ValueError("the item must be the first frame")
    # Version 2; item 1, not protected; an image that is not derived from others.
    if about[4:12] != bytes.fromhex("0001 0000") + b"av01":
        raise ValueError("the item must be an AV1 image")
    (first, _), (inner, _) = boxes.find(b"iinf")[0], boxes.find(b"infe")[0]
    if data[first : inner - _HEADER.size] != bytes.fromhex("00000000 0001"):
        raise ValueError("the file must have one item")


def _check_picture_size(data: bytes, boxes: Boxes, height: int, width: int) -> None:
    """Checks the sizes in the boxes, because decoders scale images to them."""
    start, end = boxes.find(b"ispe")[0]
    found = [data[start + 4 : end]]
    wanted = [struct.pack(">2I", width, height)]
    if tracks := boxes.find(b"tkhd"):
        found.append(data[tracks[0][1] - 8 : tracks[0][1]])
        wanted.append(struct.pack(">4H", width, 0, height, 0))
    if found != wanted:
        raise ValueError(f"the frames must be {height}x{width}, but the boxes state a different size")


def _check_sample(data: bytes, height: int, width: int) -> list[int]:
    """Returns the types of a sample's units. Raises ValueError for forbidden or too many units."""
    kinds = []
    for kind, content in _units(data):
        if kind == _SEQUENCE_HEADER and (found := _sequence_size(content)) != (height, width):
            raise ValueError(
                f"the frames must be {height}x{width}, but the AV1 stream has {found[0]}x{found[1]}"
            )
        kinds.append(kind)
        frames = kinds.count(_FRAME) + kinds.count(_FRAME_HEADER)
        if kind not in _KINDS or frames > _MOST_FRAMES or len(kinds) > _MOST_UNITS:
            raise ValueError("the AV1 stream has units that an image does not need, or too many units")
    return kinds


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        header = data[at]
        if header & 0x87 != 0x02:  # forbidden and reserved bits must be 0, no layers, with size
            raise ValueError("the AV1 stream has a damaged unit, or layers")
        size, at = _leb128(data, at + 1)
        if at + size > len(data):
            raise ValueError("the AV1 stream is truncated")
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
    raise ValueError("the AV1 stream is truncated")


class _Bits:
    """Reads the bits of a header, starting with the highest bit of each byte."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the sequence header of the AV1 stream is truncated")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


def _sequence_size(data: bytes) -> tuple[int, int]:
    """Returns the largest height and width in a sequence header (AV1 specification, section 5.5.1)."""
    bits = _Bits(data[:16])  # enough for the sizes
    bits.take(3 + 1)  # profile, still picture
    if bits.take(1):  # reduced still picture header
        bits.take(5)
    else:
        # No timing information; display delay flag; one operating point, without layers.
        timing, delay, points = bits.take(1), bits.take(1), bits.take(5 + 12)
        if timing or points:
            raise ValueError("the AV1 stream must have no timing information and no layers")
        if bits.take(5) > 7:
            bits.take(1)
        if delay and bits.take(1):
            bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(width_bits) + 1, bits.take(height_bits) + 1
    # A frame may state its own size in this number of bits, which at most quadruples the memory.
    if (width_bits, height_bits) != (max(1, (width - 1).bit_length()), max(1, (height - 1).bit_length())):
        raise ValueError("the AV1 stream must state sizes in as few bits as possible")
    return height, width
