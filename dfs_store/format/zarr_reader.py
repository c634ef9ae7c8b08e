"""Reads the Zarr container with NumPy alone; zarr-python is called only to expand compressed frames."""

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError
from dfs_store.format.container import FrameSource
from dfs_store.format.digest import parse_json
from dfs_store.format.files import folder_size_bytes, inside, read_at, read_whole
from dfs_store.format.spec import ATTRIBUTE, FRAMES, MAX_HEADER_BYTES
from dfs_store.format.zarr_frames import ZarrFrames
from dfs_store.format.zarr_metadata import parse_array

__all__ = ["ZarrReader"]


class ZarrReader:
    """A Zarr v3 directory (see `dfs_store.format.container.ContainerReader`)."""

    container = "zarr"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = os.path.realpath(path)
        try:
            self._opened = os.stat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreNotFoundError(f"{path}: there is no such store") from error
        except OSError as error:
            raise NotAStoreError(f"{path}: cannot be read ({error.strerror})") from error
        if not stat.S_ISDIR(self._opened.st_mode):
            raise NotAStoreError(f"{path}: is no directory, and a .zarr store is one")
        if not os.path.lexists(path / "zarr.json"):
            if (path / FRAMES).is_dir():
                raise DamagedStoreError(f"{path}: holds {FRAMES}, but its zarr.json is missing")
            raise NotAStoreError(f"{path}: holds no zarr.json, so it is no Zarr v3 store")

    def attributes(self) -> Any:  # noqa: ANN401 - whatever JSON held
        """Returns the parsed root attribute."""
        text = read_whole(self._root, "zarr.json", MAX_HEADER_BYTES)
        try:
            root = parse_json(text)
        except ValueError as error:
            if ATTRIBUTE.encode() in text:
                raise DamagedStoreError(f"{self.path}: its zarr.json is damaged ({error})") from error
            raise NotAStoreError(f"{self.path}: its zarr.json is no JSON ({error})") from error
        attributes = root.get("attributes") if isinstance(root, dict) else None
        if not isinstance(attributes, dict) or ATTRIBUTE not in attributes:
            raise NotAStoreError(
                f"{self.path}: a Zarr folder without the attribute {ATTRIBUTE!r} is no store"
            )
        if root.get("zarr_format") != 3 or root.get("node_type") != "group":
            raise DamagedStoreError(f"{self.path}: zarr.json must describe a group of Zarr version 3")
        return attributes[ATTRIBUTE]

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or one of a group, or None where there is none."""
        if not os.path.lexists(self.path / name):
            return None
        where = f"{self.path / name}"
        metadata = parse_array(read_whole(self._root, f"{name}/zarr.json", MAX_HEADER_BYTES), where)
        wanted = np.dtype(dtype)
        if metadata.dtype != wanted.name:
            raise DamagedStoreError(f"{where}: dtype must be {wanted.name}, got {metadata.dtype}")
        if shape is not None and metadata.shape != shape:
            raise DamagedStoreError(f"{where}: shape must be {shape}, got {metadata.shape}")
        relative = f"{name}/{metadata.chunk_file}"
        file, real = inside(self._root, relative)
        # Python ints, so that no claimed shape can overflow into a small number.
        claimed = math.prod(metadata.shape) * wanted.itemsize
        if claimed != real:
            raise DamagedStoreError(
                f"{self.path / relative}: shape {metadata.shape} of {wanted.name} needs {claimed:,} bytes, "
                f"the file has {real:,}"
            )
        return np.frombuffer(read_at(file, 0, real), dtype=wanted).reshape(metadata.shape)

    def frames(self) -> FrameSource:
        """Returns key_frames without reading any."""
        if not os.path.lexists(self.path / FRAMES):
            raise DamagedStoreError(f"{self.path}: the array {FRAMES} is missing")
        text = read_whole(self._root, f"{FRAMES}/zarr.json", MAX_HEADER_BYTES)
        return ZarrFrames(self._root, text)

    def close(self) -> None:
        """Does nothing: every call closes what it opened."""

    def was_replaced(self) -> bool:
        """Returns whether another folder lies at the path, or none."""
        try:
            return not os.path.samestat(self._opened, os.stat(self.path))
        except OSError:
            return True

    def on_disk_bytes(self) -> int:
        """Returns the bytes of all files."""
        return folder_size_bytes(self.path)
