"""Lets h5py read memory-mapped and remote files, without opening paths that may have been replaced."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from dfs_store.errors import DamagedStoreError
from dfs_store.format.io.files import ByteSource
from dfs_store.format.io.place import Place
from dfs_store.format.spec import FRAME_DTYPES

__all__ = ["errors_converted", "frame_dtype", "is_contiguous", "open_mapped", "place_of"]

# Errors that h5py raises for a file with damaged structures.
_H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


def open_mapped(mapped: ByteSource) -> h5py.File:
    """Opens a memory-mapped or remote file for reading."""
    return h5py.File(_MappedBytes(mapped), "r")


def frame_dtype(dataset: h5py.Dataset) -> str:
    """Returns the name of a dataset's dtype if it is allowed for frames, otherwise NumPy's code for it."""
    found = (name for name, stored in FRAME_DTYPES.items() if dataset.dtype == np.dtype(stored))
    return next(found, str(dataset.dtype.str))


def is_contiguous(dataset: h5py.Dataset) -> bool:
    """Returns whether a dataset has dfs-store's layout: contiguous, without filters."""
    return bool(dataset.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS)


def place_of(dataset: h5py.Dataset, mapped: ByteSource, path: Place) -> int:
    """Returns the offset of a contiguous dataset in the file, after checking that the file is large enough.

    Raises:
        DamagedStoreError: the dataset was never written, or the file is too short.
    """
    name = dataset.name.strip("/")
    # Python ints, so that a large shape cannot overflow to a small number of bytes.
    claimed = math.prod(int(side) for side in dataset.shape) * dataset.dtype.itemsize
    offset, size = dataset.id.get_offset(), mapped.size_bytes
    if offset is None:
        raise DamagedStoreError(f"{path}: {name} was never written; the file contains no data for it")
    if offset + claimed > size:
        raise DamagedStoreError(
            f"{path}: {name} of shape {dataset.shape} needs {claimed:,} bytes at offset {offset:,}, "
            f"but the file has only {size:,} bytes"
        )
    return int(offset)


@contextmanager
def errors_converted(path: Place, name: str, file: ByteSource | None) -> Iterator[None]:
    """Converts h5py's errors to DamagedStoreError, or to the server's error if the server failed."""
    try:
        yield
    except DamagedStoreError:
        raise
    except _H5_ERRORS as error:
        if file is not None and file.failure is not None:
            raise file.failure from error
        raise DamagedStoreError(f"{path}: {name} cannot be read ({error})") from error


class _MappedBytes(io.RawIOBase):
    """Presents a memory-mapped or remote file to h5py as a file object.

    Raises:
        DamagedStoreError: the file was truncated.
        OSError: the file refers to bytes outside itself, for which h5py would return unrelated memory.
    """

    def __init__(self, mapped: ByteSource) -> None:
        self._mapped = mapped
        self._place = 0

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        stop = self._place + len(buffer)
        if not 0 <= self._place <= stop <= self._mapped.size_bytes:
            raise OSError(f"{len(buffer):,} bytes at offset {self._place:,} are outside the file")
        part = self._mapped.part(self._place, stop)
        buffer[:] = part.data
        self._place += part.size
        return part.size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._mapped.size_bytes}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place
