"""Writes the HDF5 container. A spool collects the large array until its length is known."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.format.container import RowLayout
from dfs_store.format.digest import canonical_json
from dfs_store.format.io.spool import Spool
from dfs_store.format.spec import ATTRIBUTE, FRAME_DTYPES, NATIVE, SMALL_ARRAYS

__all__ = ["Hdf5Writer"]

_PAGE_BYTES = 4096  # alignment of frames, which are memory-mapped; image files need no alignment


class Hdf5Writer:
    """Writes an HDF5 file (see `dfs_store.format.container.ContainerWriter`)."""

    def __init__(self, path: Path, layout: RowLayout) -> None:
        self._path = path
        self._layout = layout
        self._dtype = np.dtype(FRAME_DTYPES[layout.dtype])
        self._count = 0
        self._spool = Spool(path.with_name("spool"))

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows to the large array."""
        self._spool.append(rows)
        self._count += len(rows)

    def finish(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        attributes: dict[str, Any],
        native: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Writes all arrays and flushes them to disk, then writes and flushes the header."""
        # Version 1.10 of the HDF5 format has checksums, which detect damage to its structures.
        with h5py.File(
            self._path,
            "x",
            libver=("v110", "v110"),
            alignment_threshold=_PAGE_BYTES,
            alignment_interval=_PAGE_BYTES if self._layout.row_shape else 1,
        ) as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=np.ascontiguousarray(array, dtype=SMALL_ARRAYS[name]))
            for name, array in native.items():
                file.create_dataset(f"{NATIVE}/{name}", data=array)
            offset = None if self._layout.compression else self._reserve(file)
            if self._layout.compression:
                self._compress_into(file)
        if offset is not None:
            with self._path.open("r+b") as written:
                written.seek(offset)
                written.writelines(self._spool.pieces())
        _sync(self._path)
        with h5py.File(self._path, "r+", libver=("v110", "v110")) as file:
            # A dataset, because tools such as h5repack and h5py cannot copy HDF5 attributes above 64 KiB.
            file.create_dataset(ATTRIBUTE, data=np.frombuffer(canonical_json(attributes), dtype=np.uint8))
        _sync(self._path)

    def close(self) -> None:
        """Closes the spool."""
        self._spool.close()

    def _shape(self) -> tuple[int, ...]:
        return (self._count, *self._layout.row_shape)

    def _reserve(self, file: h5py.File) -> int:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        settings.set_obj_track_times(False)  # so that equal stores produce equal files
        kind, space = h5py.h5t.py_create(self._dtype), h5py.h5s.create_simple(self._shape())
        return int(h5py.h5d.create(file.id, self._layout.name.encode(), kind, space, settings).get_offset())

    def _compress_into(self, file: h5py.File) -> None:
        shape = self._shape()
        dataset = file.create_dataset(
            self._layout.name,
            shape,
            self._dtype,
            chunks=(1, *shape[1:]),
            compression=self._layout.compression,
        )
        row_bytes = self._spool.size_bytes // self._count
        for number, data in enumerate(self._spool.pieces(row_bytes)):
            dataset[number] = np.frombuffer(data, self._dtype).reshape(shape[1:])


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
