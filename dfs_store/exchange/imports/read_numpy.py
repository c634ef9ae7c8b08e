"""Reads NumPy files without unpickling. .npy files are memory-mapped; .npz files are read item by item."""

import io
import lzma
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from dfs_store.errors import DFSError, UnreadableClipsError
from dfs_store.exchange.imports.arrays import Array, FoundArray
from dfs_store.exchange.imports.raw import dtype_name, of_numpy
from dfs_store.format.io.files import MappedFile
from dfs_store.format.zarr.zip_files import list_archive

__all__ = ["read_npy", "read_npz"]

# The errors that NumPy and zipfile raise for damaged files.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, SyntaxError, ValueError, TypeError,
    KeyError, IndexError, OverflowError, OSError, EOFError, RuntimeError, MemoryError,
)  # fmt: skip
_MOST_HEADER_BYTES = 2**16
# The limit for decompressing at once: this number of bytes or this multiple of the file's size, if larger.
_ALWAYS_BYTES, _MOST_EXPANSION = 2**28, 16
_REMEDY = "save arrays of numbers, not of objects, with np.savez(FILE, clips=clips, labels=labels)"


def read_npy(path: str) -> list[FoundArray]:
    """Memory-maps the array in a .npy file.

    Raises:
        UnreadableClipsError: the file is damaged or contains objects.
    """
    try:
        return [of_numpy("", np.lib.format.open_memmap(path, mode="r"))]  # raises an error for objects
    except _DAMAGE as error:
        raise UnreadableClipsError(f"{path} cannot be read as .npy ({error}); {_REMEDY}") from error


def read_npz(path: str) -> list[FoundArray]:
    """Lists the arrays in a .npz file, compressed or not, from their headers.

    Raises:
        UnreadableClipsError: the file is damaged.
    """
    try:
        list_archive(MappedFile(os.path.realpath(path)), "the file")
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            return [_member(archive, path, info) for info in members]
    except (*_DAMAGE, DFSError) as error:
        raise UnreadableClipsError(f"{path} cannot be read as .npz ({error}); {_REMEDY}") from error


def _member(archive: zipfile.ZipFile, path: str, info: zipfile.ZipInfo) -> FoundArray:
    with archive.open(info) as file:
        start = io.BytesIO(file.read(_MOST_HEADER_BYTES))
    shape, fortran, dtype = _header(start)
    header_bytes = start.tell()
    name = info.filename.removesuffix(".npy")
    if dtype.hasobject:
        return FoundArray(name, shape, "object", _refused, _refused)
    if header_bytes + math.prod(shape) * dtype.itemsize != info.file_size:
        raise ValueError(f"the size of {info.filename} does not match its header")

    def items() -> Iterator[Array]:
        if fortran and len(shape) > 1:
            yield from whole()
            return
        count = math.prod(shape[1:])
        for data in _pieces(path, info.filename, header_bytes, shape[0], count * dtype.itemsize):
            yield np.frombuffer(data, dtype=dtype, count=count).reshape(shape[1:])

    def whole() -> Array:
        (data,) = _pieces(path, info.filename, header_bytes, 1, math.prod(shape) * dtype.itemsize)
        array = np.frombuffer(data, dtype=dtype, count=math.prod(shape))
        return array.reshape(shape, order="F" if fortran else "C")

    return FoundArray(name, shape, dtype_name(dtype), items, whole)


def _refused() -> Any:  # noqa: ANN401 - it never returns
    raise UnreadableClipsError(
        f"the array contains Python objects, which cannot be read without running code; {_REMEDY}"
    )


def _pieces(path: str, member: str, start: int, count: int, size: int) -> Iterator[bytes]:
    if size > (most := max(_ALWAYS_BYTES, _MOST_EXPANSION * os.path.getsize(path))):
        raise UnreadableClipsError(
            f"{path}: reading {member} needs {size:,} bytes of memory at once, but the limit for a file of "
            f"this size is {most:,}; save the file with np.savez, which does not compress"
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            file.read(start)
            for _ in range(count):
                data = file.read(size)
                if len(data) != size:
                    raise UnreadableClipsError(f"{path}: {member} is truncated; save the file again")
                yield data
    except UnreadableClipsError:
        raise
    except _DAMAGE as error:
        raise UnreadableClipsError(f"{path}: {member} is damaged ({error}); save the file again") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)
