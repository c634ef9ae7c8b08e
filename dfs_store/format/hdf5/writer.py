"""Writes the HDF5 container: frames are spooled beside it until their number is known."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.format.digest import canonical_json
from dfs_store.format.spec import ATTRIBUTE, FRAME_DTYPES, FRAMES, NATIVE, SMALL_ARRAYS

__all__ = ["Hdf5Writer"]

_COPY_BYTES = 16 * 2**20
_PAGE_BYTES = 4096  # frames start on a page, so that they can be mapped


class Hdf5Writer:
    """An HDF5 file in the making (see `dfs_store.format.container.ContainerWriter`)."""

    def __init__(
        self, path: Path, frame_shape: tuple[int, int, int], dtype: str, compression: str | None
    ) -> None:
        self._path = path
        self._frame_shape = frame_shape
        self._dtype = np.dtype(FRAME_DTYPES[dtype])
        self._compression = compression
        self._count = 0
        self._spool_path = path.with_name("spool")
        self._spool = self._spool_path.open("xb")

    def append(self, frames: npt.NDArray[Any]) -> None:
        """Takes in K stored frames (K, C, H, W)."""
        self._spool.write(np.ascontiguousarray(frames).data.cast("B"))
        self._count += len(frames)

    def finish(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        attributes: dict[str, Any],
        native: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Writes frames and all arrays, and then the header, each safe on disk before the next."""
        self._spool.close()
        # Format 1.10 of HDF5: its structures carry checksums, so damage to them is noticed.
        with h5py.File(
            self._path,
            "x",
            libver=("v110", "v110"),
            alignment_threshold=_PAGE_BYTES,
            alignment_interval=_PAGE_BYTES,
        ) as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=np.ascontiguousarray(array, dtype=SMALL_ARRAYS[name]))
            for name, array in native.items():
                file.create_dataset(f"{NATIVE}/{name}", data=array)
            offset = None if self._compression else self._reserve(file)
            if self._compression:
                self._compress_into(file)
        if offset is not None:
            self._copy_spool(offset)
        self._spool_path.unlink()
        _sync(self._path)
        with h5py.File(self._path, "r+", libver=("v110", "v110")) as file:
            # A dataset, since tools that copy attributes fail above 64 KiB (h5repack, h5py's copy).
            file.create_dataset(ATTRIBUTE, data=np.frombuffer(canonical_json(attributes), dtype=np.uint8))
        _sync(self._path)

    def close(self) -> None:
        """Lets go of the spool."""
        # What a full disk refused before, it refuses again when the file is closed.
        with contextlib.suppress(OSError):
            self._spool.close()

    def _shape(self) -> tuple[int, ...]:
        return (self._count, *self._frame_shape)

    def _reserve(self, file: h5py.File) -> int:
        """Makes room for all frames in one piece and returns where it starts; h5py writes nothing there."""
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        settings.set_obj_track_times(False)  # equal stores are equal files, also a second later
        kind, space = h5py.h5t.py_create(self._dtype), h5py.h5s.create_simple(self._shape())
        return int(h5py.h5d.create(file.id, FRAMES.encode(), kind, space, settings).get_offset())

    def _copy_spool(self, offset: int) -> None:
        with self._spool_path.open("rb") as spool, self._path.open("r+b") as file:
            file.seek(offset)
            shutil.copyfileobj(spool, file, _COPY_BYTES)

    def _compress_into(self, file: h5py.File) -> None:
        shape = self._shape()
        dataset = file.create_dataset(
            FRAMES, shape, self._dtype, chunks=(1, *shape[1:]), compression=self._compression
        )
        spooled = np.memmap(self._spool_path, self._dtype, "r", shape=shape)
        for frame in range(self._count):
            dataset[frame] = spooled[frame]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
