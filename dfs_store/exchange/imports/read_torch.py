"""Reads files written by torch.save or safetensors without torch. Memory-maps tensors and runs no code."""

import io
import math
import mmap
import os
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DFSError, UnreadableClipsError
from dfs_store.exchange.imports.arrays import FoundArray
from dfs_store.exchange.imports.gather import gather
from dfs_store.exchange.imports.pickles import (
    CalledError,
    RefusedError,
    Storage,
    TensorParts,
    Things,
    read_pickle,
)
from dfs_store.exchange.imports.raw import DTYPES, found_raw
from dfs_store.format.io.files import MappedFile
from dfs_store.format.io.reading import parse_json
from dfs_store.format.zarr.zip_files import read_members

__all__ = ["read_safetensors", "read_torch"]

_SAFETENSORS = {
    "F16": "float16", "F32": "float32", "F64": "float64", "BF16": "bfloat16", "BOOL": "bool",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_HEADER_BYTES = 30  # size of a zip member's header before the name
_ZIP = b"PK\3\4"
_MOST_HEADER_BYTES = 2**24
Bytes = npt.NDArray[np.uint8]
StorageBytes = Callable[[Storage], Bytes]
_DAMAGE = (RefusedError, DFSError, OSError, ValueError, TypeError, KeyError, struct.error, RecursionError)


def read_torch(path: str) -> list[FoundArray]:
    """Lists the arrays in a file written by torch.save, named after their paths in lists and dictionaries.

    Raises:
        UnreadableClipsError: the file is damaged, or calls functions that are not used to save tensors or
            NumPy arrays.
    """
    try:
        data = _mapped(path)
        content, bytes_of, order = (_zipped if data[:4].tobytes() == _ZIP else _legacy)(path, data)

        def tensor(name: str, parts: TensorParts) -> FoundArray:
            return found_raw(
                name,
                bytes_of(parts.storage),
                parts.dtype,
                parts.shape,
                strides=parts.strides,
                offset=parts.offset,
                order=order,
            )

        return gather(content, tensor)
    except CalledError as error:
        raise UnreadableClipsError(
            f"{path} contains more than arrays, numbers and text: loading it would call {error}, and dfs "
            "never runs code from a file. If you trust the file, load it in the program that wrote it, and "
            'save it again with torch.save({"clips": clips, "labels": labels}, FILE)'
        ) from error
    except UnreadableClipsError as error:
        raise UnreadableClipsError(f"{path} cannot be read: {error}") from error
    except _DAMAGE as error:
        raise UnreadableClipsError(
            f"{path} cannot be read as a file written by torch.save: {error}; save it again, or choose a "
            "different file"
        ) from error


def read_safetensors(path: str) -> tuple[list[FoundArray], dict[str, str]]:
    """Returns the tensors in a safetensors file, and the file's metadata.

    Raises:
        UnreadableClipsError: the file is damaged.
    """
    try:
        data = _mapped(path)
        (header_bytes,) = struct.unpack("<Q", data[:8].tobytes())
        if header_bytes > min(_MOST_HEADER_BYTES, data.size - 8):
            raise RefusedError(
                f"the header claims {header_bytes:,} bytes, but the limit is "
                f"{min(_MOST_HEADER_BYTES, data.size - 8):,}"
            )
        header = parse_json(data[8 : 8 + header_bytes].tobytes())
        metadata, values = header.pop("__metadata__", {}), data[8 + header_bytes :]
        return [_stored(name, about, values) for name, about in header.items()], dict(metadata)
    except UnreadableClipsError as error:
        raise UnreadableClipsError(f"{path} cannot be read: {error}") from error
    except (*_DAMAGE, AttributeError) as error:
        raise UnreadableClipsError(
            f"{path} cannot be read as safetensors: {error}; save it again, or choose a different file"
        ) from error


def _stored(name: str, about: dict[str, Any], values: Bytes) -> FoundArray:
    shape, (start, stop) = about["shape"], about["data_offsets"]
    dtype = _SAFETENSORS.get(about["dtype"], str(about["dtype"])[:40])
    if not all(type(each) is int and each >= 0 for each in (*shape, start, stop)) or stop > values.size:
        raise RefusedError(f"{name[:80]} is damaged")
    if dtype in DTYPES and math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize != stop - start:
        raise RefusedError(f"the size of {name[:80]} does not match its shape")
    return found_raw(name, values[start:stop], dtype, shape)


def _mapped(path: str) -> Bytes:
    source = MappedFile(os.path.realpath(path))
    if not source.size_bytes:
        raise RefusedError("the file is empty")
    return source.bytes()


def _zipped(path: str, data: Bytes) -> tuple[object, StorageBytes, str]:
    """Reads an archive. Returns the contents, a function that reads a storage's bytes, and the byte order."""
    members = read_members(MappedFile(os.path.realpath(path)), "the file")

    @cache
    def member(name: str) -> Bytes:
        if name not in members:
            raise RefusedError(f"the archive does not contain {name[:80]!r}")
        header, size, limit = members[name]
        start = header + _HEADER_BYTES + sum(struct.unpack_from("<2H", data[header + 26 :].data))
        if start + size > limit:
            raise RefusedError(f"{name[:80]!r} overlaps the next member of the archive")
        return data[start : start + size]

    pickled = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickled) != 1:
        raise RefusedError("the zip archive does not contain data.pkl, which torch.save writes")
    root = pickled[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in members:
        raise RefusedError("the file was written by torch.jit.save and contains a program, not data")
    order = member(f"{root}byteorder").tobytes() if f"{root}byteorder" in members else b"little"
    content = read_pickle(io.BytesIO(member(pickled[0]).data), data.size)

    def bytes_of(storage: Storage) -> Bytes:
        return member(f"{root}data/{storage.key}")

    return content, bytes_of, ">" if order == b"big" else "<"


def _legacy(path: str, data: Bytes) -> tuple[object, StorageBytes, str]:
    """Like `_zipped`, for a file written by torch before 1.6: several pickles, followed by the storages."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        magic = read_pickle(mapped, data.size)
        if magic != _LEGACY_MAGIC:
            raise RefusedError(
                "the file is damaged or not in a format of torch.save: its first bytes match none of them"
            )
        read_pickle(mapped, data.size)
        system, storages = read_pickle(mapped, data.size), dict[str, Storage]()
        content = read_pickle(mapped, data.size, on_storage=lambda each: storages.setdefault(each.key, each))
        keys, at, places = read_pickle(mapped, data.size), mapped.tell(), {}
    order = ">" if isinstance(system, Things) and ("little_endian", False) in system.pairs else "<"
    if not isinstance(keys, list):
        raise RefusedError("the list of storages is damaged")
    for key in keys:
        count = int(data[at : at + 8].view(f"{order}i8")[0])
        stop = at + 8 + count * np.dtype(DTYPES[storages[key].dtype]).itemsize
        if count < 0 or stop > data.size:
            raise RefusedError("the file is truncated")
        places[key], at = data[at + 8 : stop], stop
    return content, lambda storage: places[storage.key], order
