"""What a container is to the rest of the format: the small protocol behind which Zarr and HDF5 stand."""

from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from dfs_store.errors import NotAStoreError, SettingsError, StoreNotFoundError
from dfs_store.format.problems import Problem

__all__ = ["ContainerReader", "ContainerWriter", "FrameSource", "container_of", "open_container"]

SUFFIXES = {".zarr": "zarr", ".h5": "hdf5", ".hdf5": "hdf5"}
COMPRESSIONS = {"zarr": ("zstd", "gzip"), "hdf5": ("gzip",)}


class FrameSource(Protocol):
    """The array key_frames of an open store, read by frame numbers.

    Attributes:
        shape: (S, C, H, W).
        dtype: "float32", "float16" or "uint8".
    """

    shape: tuple[int, ...]
    dtype: str

    def problems(self) -> list[Problem]:
        """Compares what the array claims with what its files hold, before any frame is read."""
        ...

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop as stored, read-only; raises DamagedStoreError where it cannot."""
        ...

    def file_of(self, frame: int) -> str:
        """Returns the file that holds a frame, relative to the store."""
        ...

    def close(self) -> None:
        """Lets go of every file."""
        ...


class ContainerReader(Protocol):
    """A store's files, opened for reading. Nothing it returns is checked against the rules yet."""

    container: str
    path: Path

    def attributes(self) -> Any:  # noqa: ANN401 - whatever JSON held
        """Returns the parsed root attribute.

        Raises:
            NotAStoreError: there is none.
            DamagedStoreError: it cannot be read.
        """
        ...

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or one of a group ("native/static"), or None where there is none.

        Its size is compared with the file's, and its shape with `shape` where that is given, before memory
        is taken.

        Raises:
            DamagedStoreError: it cannot be read, or is stored otherwise than the format says.
        """
        ...

    def frames(self) -> FrameSource:
        """Returns key_frames without reading any.

        Raises:
            DamagedStoreError: it is missing, or is stored otherwise than the format says.
        """
        ...

    def close(self) -> None:
        """Lets go of every file; what is asked later opens them again."""
        ...

    def was_replaced(self) -> bool:
        """Returns whether something else lies at the path than when the reader was made."""
        ...

    def on_disk_bytes(self) -> int:
        """Returns the bytes of all files."""
        ...


class ContainerWriter(Protocol):
    """A store that is being written, frames first; nothing of it is valid before `finish`."""

    def append(self, frames: npt.NDArray[Any]) -> None:
        """Takes in K stored frames (K, C, H, W)."""
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
        """Lets go of every file; the store need not be finished."""
        ...


def container_of(path: Path) -> str:
    """Returns "zarr" or "hdf5" by the path's suffix.

    Raises:
        SettingsError: the suffix is none of a store.
    """
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise SettingsError(
            f"{path}: the container of a store follows its suffix, which must be one of "
            f"{', '.join(SUFFIXES)}; got {path.suffix or 'none'!r}"
        ) from None


def open_container(path: Path) -> ContainerReader:
    """Opens the files of a store.

    Raises:
        StoreNotFoundError: there is nothing at the path.
        NotAStoreError: what is there is not the container that the suffix names, or the suffix names none.
        DamagedStoreError: the container is cut short.
    """
    if path.suffix.lower() not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        if not path.exists():
            raise StoreNotFoundError(
                f"{path}: there is nothing; a store is called *{allowed.replace(' ', ' *')}"
            )
        raise NotAStoreError(f"{path}: is no store; the name of one ends in {allowed}")
    # Imported by need: a Zarr store must open without h5py.
    if container_of(path) == "zarr":
        from dfs_store.format.zarr_reader import ZarrReader

        return ZarrReader(path)
    from dfs_store.format.hdf5_reader import Hdf5Reader

    return Hdf5Reader(path)


def check_compression(compression: str | None, container: str) -> None:
    """Raises SettingsError unless the container offers the compression."""
    allowed = COMPRESSIONS[container]
    if compression is not None and compression not in allowed:
        raise SettingsError(
            f"compression of a {container} store must be None or one of {', '.join(allowed)}, "
            f"got {compression!r}"
        )
