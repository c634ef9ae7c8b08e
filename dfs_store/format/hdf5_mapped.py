"""h5py over a mapped file: it never opens a name, so whatever takes the file's name changes nothing."""

import io
import math
from pathlib import Path
from typing import Any

import h5py

from dfs_store.errors import DamagedStoreError
from dfs_store.format.files import MappedFile

__all__ = ["H5_ERRORS", "damaged", "open_mapped", "place_of"]

# What h5py raises on a file whose structures are damaged, besides DamagedStoreError.
H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


def open_mapped(mapped: MappedFile) -> h5py.File:
    """Opens a mapped file for reading."""
    return h5py.File(_MappedBytes(mapped), "r")


def place_of(dataset: h5py.Dataset, mapped: MappedFile, path: Path) -> int:
    """Returns where a contiguous dataset starts in the file, after comparing its size with the file's.

    Raises:
        DamagedStoreError: it was never written, or the file is too short for it.
    """
    name = dataset.name.strip("/")
    # Python ints, so that no claimed shape can overflow into a small number.
    claimed = math.prod(int(side) for side in dataset.shape) * dataset.dtype.itemsize
    offset, size = dataset.id.get_offset(), mapped.size_bytes
    if dataset.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS or offset is None:
        raise DamagedStoreError(f"{path}: {name} must be contiguous and written, got no place in the file")
    if offset + claimed > size:
        raise DamagedStoreError(
            f"{path}: {name} of shape {dataset.shape} needs bytes {offset:,} + {claimed:,}, "
            f"the file has {size:,}"
        )
    return int(offset)


def damaged(path: Path, what: str, error: BaseException) -> DamagedStoreError:
    """Returns the error for what h5py could not read."""
    return DamagedStoreError(f"{path}: {what} ({error})")


class _MappedBytes(io.RawIOBase):
    """A mapped file as a file object, the only other thing than a name that h5py opens.

    Raises:
        DamagedStoreError: somebody has cut the file short.
        OSError: its structures lead out of it; h5py would take whatever lies in memory for such bytes.
    """

    def __init__(self, mapped: MappedFile) -> None:
        self._mapped = mapped
        self._place = 0

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        part = self._mapped.bytes()[self._place : self._place + len(buffer)]
        if part.size != len(buffer):
            raise OSError(f"bytes {self._place:,} + {len(buffer):,} lie outside the file")
        buffer[:] = part.data
        self._place += part.size
        return part.size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._mapped.size_bytes}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place
