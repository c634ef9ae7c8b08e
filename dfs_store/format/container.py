"""What a container is to the rest of the format: the small protocol behind which Zarr and HDF5 stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from dfs_store.errors import NotAStoreError, SettingsError, StoreNotFoundError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.place import Place, StoreURL, collapsed_url
from dfs_store.format.spec import CODED, FRAMES

__all__ = ["ContainerReader", "ContainerWriter", "RowLayout", "RowSource", "container_of", "open_container"]

# The first that a name ends in decides.
SUFFIXES = {".zarr.zip": "zarr.zip", ".zarr": "zarr", ".h5": "hdf5", ".hdf5": "hdf5"}
COMPRESSIONS = {"zarr": ("zstd", "gzip"), "zarr.zip": ("zstd", "gzip"), "hdf5": ("gzip",)}


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
        """Lets go of every file."""
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
        """Returns a small array, or one of a group ("native/static"), or None where there is none.

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
        """Lets go of every file; what is asked later opens them again."""
        ...

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether something else lies at the path than when the reader was made.

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
        """Lets go of every file; the store need not be finished."""
        ...


def container_of(place: Place) -> str:
    """Returns "zarr", "zarr.zip" or "hdf5" by the path's suffix.

    Raises:
        SettingsError: the suffix is none of a store.
    """
    container = _container_named(place)
    if container is None:
        raise SettingsError(
            f"{place}: the container of a store follows its suffix, which must be one of "
            f"{', '.join(SUFFIXES)}; got {place.suffix or 'none'!r}"
        )
    return container


def _container_named(place: Place) -> str | None:
    name = place.name.lower()
    return next((container for suffix, container in SUFFIXES.items() if name.endswith(suffix)), None)


def open_container(place: Place) -> ContainerReader:
    """Opens the files of a store.

    Raises:
        StoreNotFoundError: there is nothing at the path.
        NotAStoreError: what is there is not the container that the suffix names, or the suffix names none.
        DamagedStoreError: the container is cut short.
        StoreUnreachableError: it is a URL, and its server does not answer, or refuses.
        MissingDependencyError: it is a URL, and the library for its protocol is not installed.
    """
    container = _container_named(place)
    if container is None:
        allowed = ", ".join(SUFFIXES)
        if not isinstance(place, StoreURL) and not place.exists():
            raise StoreNotFoundError(
                f"{place}: there is nothing; a store is called *{allowed.replace(' ', ' *')}"
                f"{collapsed_url(place)}"
            )
        raise NotAStoreError(f"{place}: is no store; the name of one ends in {allowed}")
    # Imported by need: a Zarr store must open without h5py, one on this machine without fsspec.
    if container == "hdf5":
        from dfs_store.format.hdf5.reader import Hdf5Reader

        return Hdf5Reader(place)
    from dfs_store.format.zarr.reader import ZarrReader

    if container == "zarr.zip":
        from dfs_store.format.zarr.zip_files import open_zip

        return ZarrReader(open_zip(place), container, remote=isinstance(place, StoreURL))
    if isinstance(place, StoreURL):
        from dfs_store.format.zarr.remote_files import RemoteFolderFiles

        return ZarrReader(RemoteFolderFiles(place, (FRAMES, CODED)), container, remote=True)
    from dfs_store.format.zarr.folder_files import FolderFiles

    return ZarrReader(FolderFiles(place), container, remote=False)


def check_compression(compression: str | None, container: str) -> None:
    """Raises SettingsError unless the container offers the compression."""
    allowed = COMPRESSIONS[container]
    if compression is not None and compression not in allowed:
        raise SettingsError(
            f"compression of a {container} store must be None or one of {', '.join(allowed)}, "
            f"got {compression!r}"
        )
