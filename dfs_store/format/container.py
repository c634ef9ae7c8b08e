"""The protocols that a container, Zarr or HDF5, implements for the rest of the format."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.place import Place

__all__ = ["ContainerReader", "ContainerWriter", "RowLayout", "RowSource"]


class RowSource(Protocol):
    """The large array of an open store, read by rows: frames of key_frames or bytes of coded_frames.

    Attributes:
        shape: (S, C, H, W), or (B,).
        dtype: "float32", "float16" or "uint8".
    """

    shape: tuple[int, ...]
    dtype: str

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Compares the declared size of the array with its files, before any row is read.

        If this takes one request per file, it is deferred to the first read from that file, unless the check
        is `thorough`.
        """
        ...

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns rows start..stop as stored, read-only. Raises DamagedStoreError if they cannot be read."""
        ...

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of rows, each as returned by `read`, in one batch of requests."""
        ...

    def file_of(self, row: int) -> str:
        """Returns the file that contains a row, relative to the store."""
        ...

    def close(self) -> None:
        """Closes every file."""
        ...


class ContainerReader(Protocol):
    """The files of a store, opened for reading. Values that it returns are not validated yet."""

    container: str
    path: Place
    read_path: str  # "general" once an array was read whose layout differs from what dfs-store writes

    def attributes(self) -> Any:  # noqa: ANN401 - any JSON
        """Returns the parsed header.

        Raises:
            NotAStoreError: there is no header.
            DamagedStoreError: the header cannot be read.
        """
        ...

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or one of a group ("native/static"), or None if it does not exist.

        Before memory is allocated, the size of the array is compared with the file's, and its shape with
        `shape` unless that is None.

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

        If this takes a request, it returns False unless `suspected`.
        """
        ...

    def on_disk_bytes(self) -> int:
        """Returns the size of all files in bytes."""
        ...

    def consolidated_problems(self) -> list[str]:
        """Returns how the two copies of duplicated metadata differ, for a check of the whole store."""
        ...


@dataclass(frozen=True)
class RowLayout:
    """The large array of a store that is being written.

    Attributes:
        name: "key_frames" or "coded_frames".
        row_shape: shape of a row, (C, H, W), or () for coded_frames.
        dtype: stored dtype.
        compression: compression of each row, None for none.
    """

    name: str
    row_shape: tuple[int, ...]
    dtype: str
    compression: str | None = None


class ContainerWriter(Protocol):
    """A store being written, its large array first. It is not valid before `finish` returns."""

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows to the large array: frames (K, C, H, W) as stored, or bytes of image files (n,)."""
        ...

    def finish(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        attributes: dict[str, Any],
        native: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Writes small and native arrays, then the attributes; each is flushed to disk before the next."""
        ...

    def close(self) -> None:
        """Closes every file, whether or not the store is finished."""
        ...
