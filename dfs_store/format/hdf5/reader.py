"""Reads the HDF5 container. The file is memory-mapped, and h5py locates the arrays in the map.

h5py never opens the path. Everything is therefore read from the same file, even if the path is replaced, and
libhdf5 cannot confuse the file with one that was opened earlier at the same path. The file is not locked
either, because a lock would block writers and would fail on network disks that do not support locks.
"""

import math
import os
import stat
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, NotAStoreError
from dfs_store.format.container import RowSource
from dfs_store.format.general import MAX_SMALL_BYTES, check_small
from dfs_store.format.hdf5.frames import Hdf5Rows
from dfs_store.format.hdf5.general import open_general_rows, read_general
from dfs_store.format.hdf5.mapped import errors_converted, is_contiguous, open_mapped, place_of
from dfs_store.format.io.files import ByteSource, MappedFile, opened, stat_store
from dfs_store.format.io.place import Place, StoreURL
from dfs_store.format.io.reading import parse_json
from dfs_store.format.spec import ATTRIBUTE, MAX_HEADER_BYTES

__all__ = ["Hdf5Reader"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Hdf5Reader:
    """Reads an HDF5 file (see `dfs_store.format.container.ContainerReader`).

    h5py keeps the file open from the first call until `close`, which is called before a store is returned.
    Therefore, threads and forked processes share no h5py object.
    """

    container = "hdf5"

    def __init__(self, path: Place) -> None:
        self.path = path
        self.read_path = "fast"
        self._file: h5py.File | None = None
        self._mapped: ByteSource | None = None
        self._remote = None
        if isinstance(path, StoreURL):
            from dfs_store.format.io.remote_file import RemoteFile

            self._remote = RemoteFile(path)
            start = self._remote.part(0, min(len(_SIGNATURE), self._remote.size_bytes)).tobytes()
        else:
            start = _first_bytes(path)
        if start != _SIGNATURE:
            raise NotAStoreError(f"{path} does not begin with the HDF5 signature, so it is not a store")

    def attributes(self) -> Any:  # noqa: ANN401 - any JSON
        """Returns the parsed header, the dataset `dfs_store`."""
        text = self._array(ATTRIBUTE, np.dtype("|u1"), MAX_HEADER_BYTES)
        if text is None:
            raise NotAStoreError(f"{self.path} is an HDF5 file without {ATTRIBUTE!r}, so it is not a store")
        try:
            return parse_json(text.tobytes())
        except ValueError as error:
            raise DamagedStoreError(f"{self.path}: {ATTRIBUTE} is not valid JSON ({error})") from error

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or None if it does not exist."""
        wanted = np.dtype(dtype)
        limit = MAX_SMALL_BYTES if shape is None else math.prod(shape) * wanted.itemsize
        return self._array(name, wanted, limit, shape)

    def _array(
        self, name: str, wanted: np.dtype[Any], limit_bytes: int, shape: tuple[int, ...] | None = None
    ) -> npt.NDArray[Any] | None:
        where = f"{self.path}: {name}"
        with errors_converted(self.path, name, self._remote):
            file, mapped = self._open()
            dataset = _dataset(file, name, self.path)
            if dataset is None:
                return None
            if dataset.dtype != wanted or not dataset.shape:
                raise DamagedStoreError(
                    f"{where} must be an array of little-endian {wanted.name}, "
                    f"got shape {dataset.shape} and dtype {dataset.dtype.str}"
                )
            if shape is not None and dataset.shape != shape:
                raise DamagedStoreError(f"{where} must have shape {shape}, got {dataset.shape}")
            if not is_contiguous(dataset):
                self.read_path = "general"
                return read_general(dataset, where, limit_bytes)
            place = place_of(dataset, mapped, self.path)
            if name == ATTRIBUTE:
                check_small(where, dataset.nbytes, limit_bytes)
            return mapped.part(place, place + dataset.nbytes).view(wanted).reshape(dataset.shape).copy()

    def rows(self, name: str) -> RowSource:
        """Returns the large array without reading any of it."""
        with errors_converted(self.path, name, self._remote):
            file, mapped = self._open()
            dataset = _dataset(file, name, self.path)
            if dataset is None:
                raise DamagedStoreError(f"{self.path}: the array {name} is missing")
            if is_contiguous(dataset):
                return Hdf5Rows(self.path, dataset, mapped)
            self.read_path = "general"
            return open_general_rows(dataset, mapped, self.path)

    def close(self) -> None:
        """Closes the file. Later reads open it again."""
        if self._file is not None:
            self._file.close()
            self._file = self._mapped = None
        if self._remote is not None:
            self._remote.forget()

    def _open(self) -> tuple[h5py.File, ByteSource]:
        if self._file is None or self._mapped is None:
            if self._remote is None:
                mapped: ByteSource = MappedFile(os.path.realpath(self.path))
            else:
                mapped = self._remote
            self._mapped, self._file = mapped, open_mapped(mapped)
        return self._file, self._mapped

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the object at a URL has been replaced. False for a local file, which stays open."""
        return suspected and self._remote is not None and self._remote.was_replaced()

    def on_disk_bytes(self) -> int:
        """Returns the size of the file in bytes."""
        return os.stat(self.path).st_size if self._remote is None else self._remote.size_bytes

    def consolidated_problems(self) -> list[str]:
        """Returns an empty list, because HDF5 does not store metadata twice."""
        return []


def _first_bytes(path: Path) -> bytes:
    """Returns the first bytes of a regular file, but none of a pipe, because reading it would block."""
    if not stat.S_ISREG(stat_store(path).st_mode):
        return b""
    try:
        with opened(str(path), lambda name: open(name, "rb")) as file:
            return file.read(len(_SIGNATURE))
    except OSError as error:
        raise NotAStoreError(f"{path} cannot be read ({error.strerror})") from error


def _dataset(file: h5py.File, name: str, path: Place) -> h5py.Dataset | None:
    """Returns a dataset whose bytes are in this file, or None if it does not exist.

    Raises:
        DamagedStoreError: the dataset is a link, or its values are in another file. Such a store could expose
            any file that the reader can access.
    """
    steps = name.split("/")
    for part in ("/".join(steps[: number + 1]) for number in range(len(steps))):
        link = file.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise DamagedStoreError(
                f"{path}: {part} must be in this file, not a link ({type(link).__name__})"
            )
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DamagedStoreError(f"{path}: {name} must be a dataset, not a {type(dataset).__name__}")
    if dataset.is_virtual or dataset.external:
        raise DamagedStoreError(f"{path}: {name} refers to other files; a store must contain all its data")
    return dataset
