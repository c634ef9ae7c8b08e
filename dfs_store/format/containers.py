"""Selects the container for a path, and the classes that read and write it."""

from pathlib import Path

from dfs_store.errors import NotAStoreError, SettingsError, StoreNotFoundError
from dfs_store.format.container import ContainerReader, ContainerWriter, RowLayout
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.format.io.place import Place, StoreURL, collapsed_url
from dfs_store.format.spec import CODED, FRAMES

__all__ = ["COMPRESSIONS", "SUFFIXES", "check_compression", "container_of", "new_container", "open_container"]

# The first suffix that matches selects the container.
SUFFIXES = {".zarr.zip": "zarr.zip", ".zarr": "zarr", ".h5": "hdf5", ".hdf5": "hdf5"}
COMPRESSIONS = {"zarr": ("zstd", "gzip"), "zarr.zip": ("zstd", "gzip"), "hdf5": ("gzip",)}


def container_of(place: Place) -> str:
    """Returns "zarr", "zarr.zip" or "hdf5", depending on the path's suffix.

    Raises:
        SettingsError: the suffix is not one of `SUFFIXES`.
    """
    container = _container_named(place)
    if container is None:
        raise SettingsError(
            f"{place}: a store's suffix must be one of {', '.join(SUFFIXES)}, "
            f"got {place.suffix or 'no suffix'}"
        )
    return container


def _container_named(place: Place) -> str | None:
    name = place.name.lower()
    return next((container for suffix, container in SUFFIXES.items() if name.endswith(suffix)), None)


def open_container(place: Place) -> ContainerReader:
    """Opens the files of a store, and returns the reader for its container.

    Raises:
        StoreNotFoundError: the path does not exist.
        NotAStoreError: the content does not match the suffix, or the suffix is not one of `SUFFIXES`.
        DamagedStoreError: the container is truncated.
        StoreUnreachableError: the server of a URL does not respond or refuses the request.
        MissingDependencyError: the library for a URL's protocol is not installed.
    """
    container = _container_named(place)
    if container is None:
        allowed = ", ".join(SUFFIXES)
        if not isinstance(place, StoreURL) and not place.exists():
            raise StoreNotFoundError(
                f"{place}: there is no such store; a store's name must end in {allowed}{collapsed_url(place)}"
            )
        raise NotAStoreError(f"{place} is not a store; a store's name must end in {allowed}")
    if isinstance(place, Path) and (problem := pointer_problem(place)):
        raise NotAStoreError(f"{place} {problem}")
    # Imported lazily: a Zarr store must open without h5py, and a local one without fsspec.
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
    """Raises SettingsError unless the container supports the compression."""
    allowed = COMPRESSIONS[container]
    if compression is not None and compression not in allowed:
        raise SettingsError(
            f"the compression of a {container} store must be None or one of {', '.join(allowed)}, "
            f"got {compression!r}"
        )


def new_container(container: str, path: Path, layout: RowLayout) -> ContainerWriter:
    """Creates the files of a store at a path that does not exist, and returns the writer.

    Raises:
        OSError: the files cannot be written.
    """
    # Imported lazily, as in `open_container`.
    if container == "hdf5":
        from dfs_store.format.hdf5.writer import Hdf5Writer

        return Hdf5Writer(path, layout)
    from dfs_store.format.zarr.writer import ZarrWriter

    return ZarrWriter(path, layout)
