"""Reads the large array of an HDF5 store in dfs-store's layout from the memory-mapped file."""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.format.checks.problems import Problem
from dfs_store.format.general import check_rows
from dfs_store.format.hdf5.mapped import frame_dtype, place_of
from dfs_store.format.io.files import ByteSource
from dfs_store.format.io.place import Place
from dfs_store.format.spec import FRAME_DTYPES, frame_size_bytes

__all__ = ["Hdf5Rows"]


class Hdf5Rows:
    """Rows of a contiguous dataset (see `dfs_store.format.container.RowSource`).

    Thread-safe and fork-safe. There is no lock, because a forked process could inherit it in the locked
    state. Rows are read from the file that was opened, even if the path has been replaced.
    """

    def __init__(self, path: Place, dataset: h5py.Dataset, mapped: ByteSource) -> None:
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype = frame_dtype(dataset)
        check_rows(str(path), dataset.name.strip("/"), self.shape, self.dtype)
        self._name = path.name
        self._row_bytes = frame_size_bytes(self.shape[1:], self.dtype)
        self._offset = place_of(dataset, mapped, path)
        self._file: ByteSource | None = mapped

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Returns an empty list, because the size was checked when the dataset was opened."""
        return []

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of rows, which are views if the file is local."""
        assert self._file is not None
        first, size = self._offset, self._row_bytes
        found = self._file.parts([(first + start * size, first + stop * size) for start, stop in spans])
        return [self._shaped(data) for data in found]

    def file_of(self, row: int) -> str:
        """Returns the name of the file."""
        return self._name

    def close(self) -> None:
        """Closes the file. Returned arrays stay valid."""
        self._file = None

    def _shaped(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        data.setflags(write=False)
        return data.view(FRAME_DTYPES[self.dtype]).reshape(-1, *self.shape[1:])
