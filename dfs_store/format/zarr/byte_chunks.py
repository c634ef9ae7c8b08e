"""Reads the array coded_frames of a Zarr store in dfs-store's layout: uncompressed chunks of bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.remote import Want
from dfs_store.format.zarr.files import ZarrFiles
from dfs_store.format.zarr.metadata import ArrayMetadata, chunk_file

__all__ = ["ByteChunks"]


class ByteChunks:
    """The bytes of coded_frames (see `dfs_store.format.container.RowSource`). Thread-safe and fork-safe."""

    dtype = "uint8"

    def __init__(self, files: ZarrFiles, name: str, about: ArrayMetadata) -> None:
        assert about.byte_chunk is not None
        self.shape = about.shape
        self._files, self._name, self._length = files, name, about.byte_chunk

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Returns a problem for each chunk file with a wrong size; for a remote store, only if `thorough`."""
        found = []
        for chunk in range(-(-self.shape[0] // self._length)):
            file = self.file_of(chunk * self._length)
            try:
                self._files.check_size(file, self._length, thorough=thorough)
            except DamagedStoreError as error:
                span = (chunk * self._length, min((chunk + 1) * self._length, self.shape[0]))
                found.append(Problem(str(error), file, frames=span))
        return found

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of bytes, all requested at once."""
        wants = [self._wants(*span) for span in spans]
        found = iter(self._files.gather([want for each in wants for want in each]))
        parts = [[next(found) for _ in each] for each in wants]
        return [each[0] if len(each) == 1 else np.concatenate(each) for each in parts]

    def file_of(self, row: int) -> str:
        """Returns the file that contains a byte."""
        return f"{self._name}/{chunk_file(row // self._length, 1)}"

    def close(self) -> None:
        """Closes the files."""
        self._files.release()

    def _wants(self, start: int, stop: int) -> list[Want]:
        length = self._length
        return [
            Want(self.file_of(first), max(start, first) - first, min(stop, first + length) - first)
            for first in range(start - start % length, stop, length)
        ]
