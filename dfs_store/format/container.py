"""What a container is to the rest of the format: the small protocol behind which Zarr and HDF5 stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.place import Place

__all__ = ["ContainerReader", "ContainerWriter", "RowLayout", "RowSource"]


class RowSource(Protocol):
    """The large array of an open store, read by its rows: frames of key_frames, bytes of coded_frames.

    Attributes:
        shape: (S, C, H, W), or (B,).
        dtype: "float32", "float16" or "uint8".
    """

    shape: tuple[int, ...]
    dtype: str

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Compares what the array claims with what its files hold, before any row is read.

        Where that takes a request for each file, it is left to the first read of a row of that file,
        unless the check is to be `thorough`.
        """
        ...

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns rows start..stop as stored, read-only; raises DamagedStoreError if it cannot."""
        ...

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of rows, each as `read` does; a server is asked for all of them at once."""
        ...

    def file_of(self, row: int) -> str:
        """Returns the file that contains a row, relative to the store."""
        ...

    def close(self) -> None:
        """Closes every file."""
        ...


class ContainerReader(Protocol):
    """A store's files, opened for reading. Nothing it returns is checked against the rules yet."""

    container: str
    path: Place
    read_path: str  # "general" once an array was asked for that is laid out otherwise than we write it

    def attributes(self) -> Any:  # noqa: ANN401 - whatever JSON held
        """Returns the parsed header.

        Raises:
            NotAStoreError: there is none.
            DamagedStoreError: it cannot be read.
        """
        ...

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or one of a group ("native/static"), or None if there is none.

        Its size is compared with the file's, and its shape with `shape` where that is given, before memory
        is taken.

        Raises:
            DamagedStoreError: it cannot be read, or is stored otherwise than the format says.
        """
        ...

    def rows(self, name: str) -> RowSource:
        """Returns the large array, key_frames or coded_frames, without reading any of it.

        Raises:
            DamagedStoreError: it is missing, or is stored otherwise than the format says.
        """
        ...

    def close(self) -> None:
        """Closes every file; what is asked later opens them again."""
        ...

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether there is something else at the path than when the reader was made.

        Where the answer costs a request, it is False unless what was read makes one suspect it.
        """
        ...

    def on_disk_bytes(self) -> int:
        """Returns the bytes of all files."""
        ...

    def consolidated_problems(self) -> list[str]:
        """Returns where metadata that are stored twice differ, for a check of the whole store."""
        ...


@dataclass(frozen=True)
class RowLayout:
    """The large array of a store that is being written.

    Attributes:
        name: "key_frames" or "coded_frames".
        row_shape: (C, H, W); () of coded_frames.
        dtype: stored dtype.
        compression: of every row, None for none.
    """

    name: str
    row_shape: tuple[int, ...]
    dtype: str
    compression: str | None = None


class ContainerWriter(Protocol):
    """A store that is being written, its large array first; nothing of it is valid before `finish`."""

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows to the large array: stored frames (K, C, H, W), or the bytes of image files (n,)."""
        ...

    def finish(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        attributes: dict[str, Any],
        native: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Writes small and native arrays and then the attributes, each safe on disk before the next."""
        ...

    def close(self) -> None:
        """Closes every file; the store need not be finished."""
        ...
