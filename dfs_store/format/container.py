"""Defines the protocols that the Zarr and HDF5 containers implement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.place import Place

__all__ = ["ContainerReader", "ContainerWriter", "RowLayout", "RowSource"]


class RowSource(Protocol):
    """The large array of an open store: key_frames, with frames as rows, or coded_frames, with bytes as rows.

    Attributes:
        shape: (S, C, H, W) for key_frames, or (B,) for coded_frames.
        dtype: "float32", "float16" or "uint8".
    """

    shape: tuple[int, ...]
    dtype: str

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Compares the array's declared size with its files, without reading rows, and returns mismatches.

        Unless `thorough` is set, a check that needs one request per file is deferred to the first read from
        that file.
        """
        ...

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns the stored rows of each span start..stop as a read-only array, with one batch of requests.

        Raises:
            DamagedStoreError: a row cannot be read.
        """
        ...

    def file_of(self, row: int) -> str:
        """Returns the path of the file that contains a row, relative to the store."""
        ...

    def close(self) -> None:
        """Closes every file."""
        ...


class ContainerReader(Protocol):
    """Reads the files of a store. The values it returns are not validated."""

    container: str
    path: Place
    read_path: str  # "fast", or "general" after reading an array in a layout that dfs-store does not write

    def attributes(self) -> Any:  # noqa: ANN401 - any JSON
        """Returns the parsed header.

        Raises:
            NotAStoreError: there is no header.
            DamagedStoreError: the header cannot be read.
        """
        ...

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, such as "labels" or "native/static"; None if it does not exist.

        Before memory is allocated, the array's size is compared with that of the file, and its shape with
        `shape` if given.

        Raises:
            DamagedStoreError: the array cannot be read, or its layout is not allowed by the format.
        """
        ...

    def rows(self, name: str) -> RowSource:
        """Returns the large array, key_frames or coded_frames, without reading any of it.

        Raises:
            DamagedStoreError: the array is missing, or its layout is not allowed by the format.
        """
        ...

    def close(self) -> None:
        """Closes every file. A later read opens them again."""
        ...

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the store at the path has been replaced since the reader was created.

        For a remote store, this takes a request, which is sent only if `suspected` is set.
        """
        ...

    def on_disk_bytes(self) -> int:
        """Returns the total size of all files in bytes."""
        ...

    def consolidated_problems(self) -> list[str]:
        """Returns a message for each array whose consolidated metadata differ from its own metadata."""
        ...


@dataclass(frozen=True)
class RowLayout:
    """Describes the large array of a store that is being written.

    Attributes:
        name: "key_frames" or "coded_frames".
        row_shape: shape of a row: (C, H, W), or () for coded_frames.
        dtype: stored dtype.
        compression: compression of each row, or None.
    """

    name: str
    row_shape: tuple[int, ...]
    dtype: str
    compression: str | None = None


class ContainerWriter(Protocol):
    """Writes the files of a store, its large array first. The store is valid only after `finish` returns."""

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows to the large array: stored frames (K, C, H, W), or (n,) uint8 bytes of image files."""
        ...

    def finish(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        attributes: dict[str, Any],
        native: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Writes the small and native arrays, then the attributes, and flushes everything to disk."""
        ...

    def close(self) -> None:
        """Closes every file, whether or not the store is finished."""
        ...
