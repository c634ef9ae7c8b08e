"""Walks a global heap of HDF5 before the library does, which never ends in one that is damaged.

The text of an attribute lies there, without a checksum: objects one after the other, each with its size. An
object of size 0 (or of one that wraps around) makes libhdf5 come back to the same object for ever.
"""

import struct

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError

__all__ = ["check_text_heap"]

_MESSAGE = struct.Struct("<BBHHH")  # of an attribute, version 3: before its encoding and its name
_TEXT = struct.Struct("<IQI")  # of a text that lies in a heap: its length, the heap's address, its object
_HEAP = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HH4xQ")
_PREFIX = struct.Struct("<BHB")  # of a message: its kind, its size, its flags
_CONTINUATION = struct.Struct("<QQ")
_ATTRIBUTE_MESSAGE, _CONTINUATION_MESSAGE = 0x0C, 0x10
_MOST_CHUNKS = 64
_MOST_OBJECTS = 2**16  # their numbers have 16 bits
_VERSION = 3
_ALIGNMENT = 8


def check_text_heap(path: str, content: npt.NDArray[np.uint8], header: int, name: bytes) -> None:
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
    data = content.data
    place = _find_message(data, header, name)
    if place is None or place + _TEXT.size > len(data):
        return
    _, address, _ = _TEXT.unpack_from(data, place)
    if address + _HEAP.size > len(data):
        raise DamagedStoreError(f"{path}: the text of {name.decode()} lies outside the file")
    signature, version, size = _HEAP.unpack_from(data, address)
    end = address + size
    if signature != b"GCOL" or version != 1 or end > len(data):
        raise DamagedStoreError(f"{path}: the heap of the text of {name.decode()} is damaged")
    at, count = address + _HEAP.size, 0
    while end - at >= _OBJECT.size:
        count += 1
        number, _, length = _OBJECT.unpack_from(data, at)
        # The size of free space, object 0, counts its own header; that of others is rounded up.
        step = length if number == 0 else _OBJECT.size + -(-length // _ALIGNMENT) * _ALIGNMENT
        if not _OBJECT.size <= step <= end - at or count > _MOST_OBJECTS:
            raise DamagedStoreError(
                f"{path}: the heap of the text of {name.decode()} has an object of {length} bytes"
            )
        at += step


def _find_message(data: memoryview, header: int, name: bytes) -> int | None:
    """Returns where an attribute's value begins, None where no message of version 3 is found.

    libhdf5 has compared the messages with their checksums when it opened the object.
    """
    if bytes(data[header : header + 5]) != b"OHDR\x02" or header + 6 > len(data):
        return None
    flags = data[header + 5]
    begin = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 0x03)
    chunks = [(begin + width, int.from_bytes(data[begin : begin + width], "little"))]
    prefix = _PREFIX.size + (2 if flags & 0x04 else 0)
    for at, size in chunks:  # continuations join the list as they are met
        end = at + size
        while at + prefix <= min(end, len(data) - _CONTINUATION.size):
            kind, length, _ = _PREFIX.unpack_from(data, at)
            at += prefix
            if kind == _ATTRIBUTE_MESSAGE:
                version, _, name_size, type_size, space_size = _MESSAGE.unpack_from(data, at)
                text = at + _MESSAGE.size + 1
                if version == _VERSION and bytes(data[text : text + name_size]) == name + b"\0":
                    return int(text + name_size + type_size + space_size)
            elif kind == _CONTINUATION_MESSAGE and len(chunks) < _MOST_CHUNKS:
                address, chunk_size = _CONTINUATION.unpack_from(data, at)
                chunks.append((address + 4, chunk_size - 8))  # without its signature and its checksum
            at += length
    return None
