"""h5py on a mapped or remote file. h5py never opens a path, so the file cannot be replaced in between."""

import io
import math
from typing import Any

import h5py
import numpy as np

from dfs_store.errors import DamagedStoreError, DFSError
from dfs_store.format.io.files import ByteSource
from dfs_store.format.io.place import Place
from dfs_store.format.spec import FRAME_DTYPES

__all__ = ["H5_ERRORS", "damaged", "frame_dtype", "is_contiguous", "open_mapped", "place_of"]

# Errors of h5py for a file with damaged structures, besides DamagedStoreError.
H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


def open_mapped(mapped: ByteSource) -> h5py.File:
    """Opens a mapped file for reading."""
    return h5py.File(_MappedBytes(mapped), "r")


def frame_dtype(dataset: h5py.Dataset) -> str:
    """Returns the name of a dataset's dtype if it is allowed for frames, else NumPy's name."""
    found = (name for name, stored in FRAME_DTYPES.items() if dataset.dtype == np.dtype(stored))
    return next(found, str(dataset.dtype.str))


def is_contiguous(dataset: h5py.Dataset) -> bool:
    """Returns whether a dataset has the layout of dfs-store: contiguous, without filters."""
    return bool(dataset.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS)


def place_of(dataset: h5py.Dataset, mapped: ByteSource, path: Place) -> int:
    """Returns the position of a contiguous dataset in the file, after comparing its size with the file's.

    Raises:
        DamagedStoreError: the dataset was never written, or the file is too short.
    """
    name = dataset.name.strip("/")
    # Python ints, so that no declared shape can overflow into a small number.
    claimed = math.prod(int(side) for side in dataset.shape) * dataset.dtype.itemsize
    offset, size = dataset.id.get_offset(), mapped.size_bytes
    if offset is None:
        raise DamagedStoreError(f"{path}: {name} was never written: no space is allocated for it in the file")
    if offset + claimed > size:
        raise DamagedStoreError(
            f"{path}: {name} of shape {dataset.shape} needs bytes {offset:,} + {claimed:,}, "
            f"the file has {size:,}"
        )
    return int(offset)


def damaged(path: Place, what: str, error: BaseException, file: ByteSource | None = None) -> DFSError:
    """Returns the error for what h5py could not read, or that of the file's server if it failed."""
    if file is not None and file.failure is not None:
        return file.failure
    return DamagedStoreError(f"{path}: {what} ({error})")


class _MappedBytes(io.RawIOBase):
    """A mapped file as a file object, the only alternative to a path that h5py accepts.

    Raises:
        DamagedStoreError: the file was truncated.
        OSError: the file's structures refer to bytes outside it, for which h5py would return other memory.
    """

    def __init__(self, mapped: ByteSource) -> None:
        self._mapped = mapped
        self._place = 0

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        stop = self._place + len(buffer)
        if not 0 <= self._place <= stop <= self._mapped.size_bytes:
            raise OSError(f"bytes {self._place:,} + {len(buffer):,} are outside the file")
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
