"""Reads the Zarr container, with NumPy if it has dfs-store's layout, otherwise through zarr-python."""

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, NotAStoreError
from dfs_store.format.container import RowSource
from dfs_store.format.general import MAX_SMALL_BYTES
from dfs_store.format.io.place import Place
from dfs_store.format.io.reading import parse_json
from dfs_store.format.spec import ATTRIBUTE, CODED, FRAMES, MAX_HEADER_BYTES, SMALL_ARRAYS, ZARR_JSON
from dfs_store.format.zarr.byte_chunks import ByteChunks
from dfs_store.format.zarr.files import RemoteZarrFiles, ZarrFiles
from dfs_store.format.zarr.frames import ZarrFrames
from dfs_store.format.zarr.metadata import ArrayMetadata, chunk_file, parse_array, parse_consolidated

__all__ = ["ZarrReader"]

_LARGE = (FRAMES, CODED)


class ZarrReader:
    """Reads a Zarr v3 hierarchy (see `dfs_store.format.container.ContainerReader`).

    Args:
        files: files of the store.
        container: "zarr" or "zarr.zip".
        remote: whether the files are on a server. If so, they are read in few requests, using consolidated
            metadata instead of every array's own metadata.

    Raises:
        NotAStoreError, DamagedStoreError: there is no zarr.json.
    """

    def __init__(self, files: ZarrFiles, container: str, *, remote: bool) -> None:
        self.path: Place = files.place
        self.container = container
        self.read_path = "fast"
        self._files = files
        self._remote = cast(RemoteZarrFiles, files) if remote else None
        self._repeated: dict[str, bytes] = {}  # consolidated metadata of the root
        self._metadata: dict[str, bytes] | None = None  # metadata of the arrays, if prefetched
        if not files.has(ZARR_JSON):
            for name in _LARGE:
                if files.has(f"{name}/{ZARR_JSON}"):
                    raise DamagedStoreError(f"{self.path} contains {name}, but its zarr.json is missing")
            raise NotAStoreError(f"{self.path} contains no zarr.json, so it is not a Zarr v3 store")

    def attributes(self) -> Any:  # noqa: ANN401 - any JSON
        """Returns the parsed header, an attribute of the root group."""
        text = self._files.read(ZARR_JSON, MAX_HEADER_BYTES)
        try:
            root = parse_json(text)
        except ValueError as error:
            if ATTRIBUTE.encode() in text:
                raise DamagedStoreError(f"{self.path}: its zarr.json is damaged ({error})") from error
            raise NotAStoreError(f"{self.path}: its zarr.json is not valid JSON ({error})") from error
        attributes = root.get("attributes") if isinstance(root, dict) else None
        if not isinstance(attributes, dict) or ATTRIBUTE not in attributes:
            raise NotAStoreError(
                f"{self.path} is a Zarr group without the attribute {ATTRIBUTE!r}, so it is not a store"
            )
        if root.get("zarr_format") != 3 or root.get("node_type") != "group":
            raise DamagedStoreError(f"{self.path}: zarr.json must describe a Zarr v3 group")
        self._repeated = parse_consolidated(root)
        if self._remote is not None:
            self._prefetch(self._remote)
        return attributes[ATTRIBUTE]

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or None if it does not exist."""
        about = self._about(name)
        if about is None:
            return None
        where = f"{self.path}/{name}"
        wanted = np.dtype(dtype)
        if about.dtype != wanted.name:
            raise DamagedStoreError(f"{where}: dtype must be {wanted.name}, got {about.dtype[:80]}")
        if shape is not None and about.shape != shape:
            raise DamagedStoreError(f"{where}: shape must be {shape}, got {about.shape}")
        if not about.is_plain:
            from dfs_store.format.zarr.general import read_general

            self.read_path = "general"
            limit = MAX_SMALL_BYTES if shape is None else math.prod(shape) * wanted.itemsize
            return read_general(self._files, self._remote, name, about, limit)
        # Python ints, so that a large shape cannot overflow to a small number of bytes.
        claimed = math.prod(about.shape) * wanted.itemsize
        claim = f"an array of shape {about.shape} and dtype {wanted.name}"
        data = self._files.read_exactly(f"{name}/{chunk_file(0, len(about.shape))}", claimed, claim)
        return np.frombuffer(data, dtype=wanted).reshape(about.shape)

    def rows(self, name: str) -> RowSource:
        """Returns the large array without reading any of it."""
        about = self._about(name)
        if about is None:
            raise DamagedStoreError(f"{self.path}: the array {name} is missing")
        if name == CODED and about.byte_chunk is not None:
            return ByteChunks(self._files, name, about)
        if name == CODED or about.shard_length is None:
            from dfs_store.format.zarr.general import open_general_rows

            self.read_path = "general"
            return open_general_rows(self._files, self._remote, name, about)
        return ZarrFrames(self._files, about, self._remote)

    def close(self) -> None:
        """Discards prefetched files. Later reads request them again."""
        self._files.close()

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the store at the path has been replaced or removed."""
        return self._files.was_replaced(suspected=suspected)

    def on_disk_bytes(self) -> int:
        """Returns the total size in bytes of all files, or of known files if the server cannot list files."""
        return self._files.total_bytes(self._own_files() if self._remote is not None else [])

    def consolidated_problems(self) -> list[str]:
        """Returns a message for each array in a remote store whose consolidated metadata differ from its own.

        In a local store, they are compared when an array is read.
        """
        if self._remote is None:
            return []
        names = [name for name in (*SMALL_ARRAYS, *_LARGE) if name in self._repeated]
        texts = [f"{name}/{ZARR_JSON}" for name in names]
        self._remote.prefetch([(text, MAX_HEADER_BYTES) for text in texts])
        found = []
        for name, text in zip(names, texts, strict=True):
            try:
                differs = self._difference(name, self._files.read(text, MAX_HEADER_BYTES))
            except DamagedStoreError as error:
                differs = error
            if differs is not None:
                found.append(str(differs))
        return found

    def _difference(self, name: str, text: bytes) -> DamagedStoreError | None:
        """Returns an error if an array's own zarr.json differs from the consolidated metadata, else None."""
        repeated = self._repeated.get(name, text)
        if repeated == text or parse_array(repeated, name) == parse_array(text, name):
            return None
        return DamagedStoreError(
            f"{self.path}: zarr.json and {name}/{ZARR_JSON} describe the array {name} differently"
        )

    def _about(self, name: str) -> ArrayMetadata | None:
        text = self._text(name)
        if text is None:
            return None
        about = parse_array(text, f"{self.path}/{name}")
        if (differs := self._difference(name, text)) is not None:
            raise differs
        return about

    def _text(self, name: str) -> bytes | None:
        if self._metadata is not None and (self._repeated or name in self._metadata):
            return self._metadata.get(name)
        file = f"{name}/{ZARR_JSON}"
        return self._files.read(file, MAX_HEADER_BYTES) if self._files.has(file) else None

    def _prefetch(self, files: RemoteZarrFiles) -> None:
        """Requests what opening a store reads: small arrays, and metadata unless they are consolidated."""
        metadata = self._repeated
        if not metadata:
            texts = {name: f"{name}/{ZARR_JSON}" for name in (*_LARGE, *SMALL_ARRAYS)}
            files.prefetch([(text, MAX_HEADER_BYTES) for text in texts.values()])
            metadata = {
                name: files.read(text, MAX_HEADER_BYTES) for name, text in texts.items() if files.has(text)
            }
        limits = []
        for name, stored in SMALL_ARRAYS.items():
            about, dtype = _parsed(metadata.get(name)), np.dtype(stored)
            if about is not None and about.dtype == dtype.name and about.is_plain:
                claimed = math.prod(about.shape) * dtype.itemsize
                limits.append((f"{name}/{chunk_file(0, len(about.shape))}", claimed + 1))
        files.prefetch(limits)
        self._metadata = metadata

    def _own_files(self) -> list[str]:
        """Returns the names of the files that belong to arrays with readable metadata."""
        metadata = self._metadata or {}
        names = [ZARR_JSON, *(f"{name}/{ZARR_JSON}" for name in metadata)]
        for name in (*SMALL_ARRAYS, *_LARGE):
            if (about := _parsed(metadata.get(name))) is not None:
                names += [f"{name}/{file}" for file in _chunk_files(about, name)]
        return names


def _chunk_files(about: ArrayMetadata, name: str) -> list[str]:
    if about.shard_length is not None:
        shards = range(-(-about.shape[0] // about.shard_length))
        return [chunk_file(shard, len(about.shape)) for shard in shards]
    if name == CODED and about.byte_chunk is not None:
        return [chunk_file(chunk, 1) for chunk in range(-(-about.shape[0] // about.byte_chunk))]
    if name not in _LARGE and about.is_plain:
        return [chunk_file(0, len(about.shape))]
    from dfs_store.format.zarr.general import chunk_names

    return chunk_names(about, name)


def _parsed(text: bytes | None) -> ArrayMetadata | None:
    """Returns the metadata of an array, or None if they are invalid, which `array` reports later."""
    try:
        return None if text is None else parse_array(text, "")
    except DamagedStoreError:
        return None
