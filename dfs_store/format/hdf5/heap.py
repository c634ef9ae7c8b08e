"""Walks a global heap of HDF5 before the library does, which never ends in one that is damaged.

The text of an attribute lies there, without a checksum: objects one after the other, each with its size. An
object of size 0 (or of one that wraps around) makes libhdf5 come back to the same object for ever.
"""

import struct

from dfs_store.errors import DamagedStoreError
from dfs_store.format.io.files import ByteSource

__all__ = ["check_text_heap"]

_MESSAGE = struct.Struct("<BBHHH")  # of an attribute, version 3: before its encoding and its name
_TEXT = struct.Struct("<IQI")  # of a text that lies in a heap: its length, the heap's address, its object
_HEAP = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HH4xQ")
_PREFIX = struct.Struct("<BHB")  # of a message: its kind, its size, its flags
_CONTINUATION = struct.Struct("<QQ")
_ATTRIBUTE_MESSAGE, _CONTINUATION_MESSAGE = 0x0C, 0x10
_MOST_CHUNKS = 64
_MOST_HEADER_BYTES = 16 * 2**20
_PREFIX_BYTES = 6 + 16 + 4 + 8  # before the messages of an object's header
_MOST_OBJECTS = 2**16  # their numbers have 16 bits
_VERSION = 3
_ALIGNMENT = 8


def check_text_heap(path: str, content: ByteSource, header: int, name: bytes) -> None:
    """Checks the heap that holds the text of an attribute.

    Does nothing where the attribute is laid out in another way than writers of this format do it.

    Args:
        path: of the file, for messages.
        content: the whole file.
        header: where the header of the object begins that has the attribute.
        name: of the attribute.

    Raises:
        DamagedStoreError: the sizes of the heap's objects do not lead to its end.
    """
    value = _find_message(content, header, name)
    if value is None or len(value) < _TEXT.size:
        return
    _, address, _ = _TEXT.unpack_from(value)
    if address + _HEAP.size > content.size_bytes:
        raise DamagedStoreError(f"{path}: the text of {name.decode()} lies outside the file")
    signature, version, size = _HEAP.unpack(bytes(content.part(address, address + _HEAP.size)))
    if signature != b"GCOL" or version != 1 or address + size > content.size_bytes:
        raise DamagedStoreError(f"{path}: the heap of the text of {name.decode()} is damaged")
    data = content.part(address, address + size).data
    at, count = _HEAP.size, 0
    while size - at >= _OBJECT.size:
        count += 1
        number, _, length = _OBJECT.unpack_from(data, at)
        # The size of free space, object 0, counts its own header; that of others is rounded up.
        step = length if number == 0 else _OBJECT.size + -(-length // _ALIGNMENT) * _ALIGNMENT
        if not _OBJECT.size <= step <= size - at or count > _MOST_OBJECTS:
            raise DamagedStoreError(
                f"{path}: the heap of the text of {name.decode()} has an object of {length} bytes"
            )
        at += step


def _find_message(content: ByteSource, header: int, name: bytes) -> bytes | None:
    """Returns an attribute's value, None where no message of version 3 is found.

    libhdf5 has compared the messages with their checksums when it opened the object.
    """
    start = _part(content, header, header + _PREFIX_BYTES)
    if start[:5] != b"OHDR\x02" or len(start) < 6:
        return None
    flags = start[5]
    begin = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 0x03)
    chunks = [(header + begin + width, int.from_bytes(start[begin : begin + width], "little"))]
    prefix = _PREFIX.size + (2 if flags & 0x04 else 0)
    for place, size in chunks:  # continuations join the list as they are met
        data = _part(content, place, place + size)
        at = 0
        while at + prefix <= len(data):
            kind, length, _ = _PREFIX.unpack_from(data, at)
            at += prefix
            if kind == _ATTRIBUTE_MESSAGE and at + _MESSAGE.size <= len(data):
                version, _, name_size, type_size, space_size = _MESSAGE.unpack_from(data, at)
                text = at + _MESSAGE.size + 1
                if version == _VERSION and data[text : text + name_size] == name + b"\0":
                    return data[text + name_size + type_size + space_size :]
            elif kind == _CONTINUATION_MESSAGE and at + _CONTINUATION.size <= len(data):
                address, chunk_size = _CONTINUATION.unpack_from(data, at)
                if len(chunks) < _MOST_CHUNKS:
                    chunks.append((address + 4, chunk_size - 8))  # without its signature and its checksum
            at += length
    return None


def _part(content: ByteSource, start: int, stop: int) -> bytes:
    """Returns bytes of a file, as many as it has and a header may."""
    stop = min(stop, content.size_bytes, start + _MOST_HEADER_BYTES)
    return bytes(content.part(start, stop)) if 0 <= start < stop else b""
