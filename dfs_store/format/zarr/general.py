"""Reads arrays in layouts that dfs-store does not write, through zarr-python.

The metadata select the codecs, and the compressed bytes determine how much memory the codecs allocate.
Therefore, only some codecs are allowed, and compressors are replaced by codecs that decompress a chunk to one
known size.
"""

import asyncio
import itertools
import math
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import zarr
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.abc.store import ByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.metadata.v3 import ArrayV3Metadata
from zarr.storage import MemoryStore, StorePath

from dfs_store.errors import DamagedStoreError, DFSError
from dfs_store.format.expand import expand
from dfs_store.format.general import GeneralRows, check_chunks, check_row_chunks, check_rows, check_small
from dfs_store.format.io.files import ByteSource
from dfs_store.format.io.remote import Want
from dfs_store.format.zarr.files import RemoteZarrFiles, ZarrFiles
from dfs_store.format.zarr.folder_files import FolderFiles
from dfs_store.format.zarr.metadata import ArrayMetadata, parse_sides

__all__ = ["chunk_names", "open_general_rows", "read_general"]

Array = npt.NDArray[Any]

_COMPRESSORS = ("zstd", "gzip", "blosc")
_MOST_CODECS = 16
_CHECKSUM_BYTES = 4
_INDEX_ENTRY_BYTES = 16
_MOST_KEPT = 256  # maximum number of memory-mapped chunk files, which need a file descriptor each
_MOST_INNER_CHUNKS = 2**20
# The stored size of a remote chunk is unknown. Its limit is this multiple of the full size, plus a constant.
_STORED_LIMIT = 2
_STORED_EXTRA_BYTES = 64 * 2**10
_SHOWN = 300  # maximum number of characters shown of a zarr-python error, which may quote data
# Errors that zarr-python raises for metadata or chunks that it cannot read.
_ERRORS = (ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, AssertionError, AttributeError)


def read_general(
    files: ZarrFiles, remote: RemoteZarrFiles | None, name: str, about: ArrayMetadata, limit_bytes: int
) -> Array:
    """Reads a whole small array.

    Args:
        files: files of the store.
        remote: the same files if they are on a server, otherwise None.
        name: name of the array.
        about: metadata of the array, with a dtype that the format allows.
        limit_bytes: size limit in bytes.

    Raises:
        DamagedStoreError: the layout is not allowed, or the array cannot be read.
    """
    where = files.where(name)
    dtype = np.dtype(about.dtype)
    check_small(where, math.prod(about.shape) * dtype.itemsize, limit_bytes)
    layout = _Layout(about, where)
    check_chunks(where, about.shape, layout.chunks, layout.itemsize, about.shape[0])
    array = layout.open(_Objects(files, remote, layout, {}), name)
    return np.ascontiguousarray(_read(array, where, 0, about.shape[0]), dtype.newbyteorder("<"))


def open_general_rows(
    files: ZarrFiles, remote: RemoteZarrFiles | None, name: str, about: ArrayMetadata
) -> GeneralRows:
    """Returns the large array without reading it. For arguments and errors, see `read_general`."""
    where = files.where(name)
    check_rows(where, name, about.shape, about.dtype)
    layout = _Layout(about, where)
    check_row_chunks(where, about.shape, layout.chunks, layout.itemsize)
    # Memory-mapped now, so that later reads use this store even if the path is replaced.
    kept = files.mapped_below(name, _MOST_KEPT) if isinstance(files, FolderFiles) else {}
    array = layout.open(_Objects(files, remote, layout, kept), name)

    def fetch(start: int, stop: int) -> Array:
        return _read(array, where, start, stop)

    return GeneralRows(about.shape, about.dtype, layout.chunks[0], fetch, name)


def chunk_names(about: ArrayMetadata, where: str) -> list[str]:
    """Returns the names of all possible files of an array, relative to its folder."""
    layout = _Layout(about, where)
    grid = [range(-(-side // chunk)) for side, chunk in zip(about.shape, layout.files, strict=True)]
    return [layout.metadata.encode_chunk_key(place) for place in itertools.product(*grid)]


def _read(array: "zarr.AsyncArray[Any]", where: str, start: int, stop: int) -> Array:
    try:
        return np.asarray(_run(array.getitem(slice(start, stop))))
    except DFSError:
        raise
    except _ERRORS as error:
        raise DamagedStoreError(f"{where} cannot be read ({_shown(error)})") from error


def _run(reading: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - any result of zarr-python
    """Runs zarr-python in a separate event loop, and cancels all remaining tasks at the end.

    In zarr-python's own loop, other chunks would still be decoded after one has failed, from memory-mapped
    files that may be truncated by then.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
    else:  # in a notebook, whose loop already runs in this thread
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_run, reading).result()
    try:
        return loop.run_until_complete(reading)
    finally:
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _shown(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class _Layout:
    """Checks the layout of an array, and builds zarr-python's metadata with size-limited codecs.

    Attributes:
        chunks: shape of a chunk, which is decompressed as a whole.
        files: shape of the part of the array in one file.
        metadata: metadata for zarr-python.

    Raises:
        DamagedStoreError: the layout is not allowed.
    """

    def __init__(self, about: ArrayMetadata, where: str) -> None:
        self._where = where
        content = about.content
        grid = content.get("chunk_grid")
        if not isinstance(grid, dict) or grid.get("name") != "regular":
            raise DamagedStoreError(f"{where}: its chunk grid must be regular")
        self.files = self.chunks = self._sides(grid.get("configuration"))
        if len(self.files) != len(about.shape) or 0 in self.files:
            raise DamagedStoreError(
                f"{where}: chunks of shape {self.files} do not fit the array's shape {about.shape}"
            )
        if content.get("storage_transformers", []) not in ([], None):
            raise DamagedStoreError(f"{where}: storage transformers are not allowed")
        self.itemsize = np.dtype(about.dtype).itemsize
        try:
            codecs = self._codecs(content.get("codecs"), sharded=True)
            self.metadata = ArrayV3Metadata.from_dict(
                {**content, "codecs": codecs, "storage_transformers": []}  # type: ignore[dict-item]
            )
        except DFSError:
            raise
        except _ERRORS as error:
            raise DamagedStoreError(f"{where}: its zarr.json cannot be used ({_shown(error)})") from error

    def open(self, store: "_Objects", name: str) -> "zarr.AsyncArray[Any]":
        """Returns the array without reading it."""
        return zarr.AsyncArray(self.metadata, StorePath(store, name))

    @property
    def index_bytes(self) -> int:
        """Size of a shard's index in bytes; 0 if there are no shards."""
        return self._inner * _INDEX_ENTRY_BYTES + _CHECKSUM_BYTES if self.files != self.chunks else 0

    @property
    def _inner(self) -> int:
        return math.prod(-(-side // chunk) for side, chunk in zip(self.files, self.chunks, strict=True))

    def stored_limit(self, *, whole: bool) -> int:
        """Returns the size limit in bytes of a remote file if `whole` is set, otherwise of a chunk in it."""
        size_bytes = math.prod(self.files if whole else self.chunks) * self.itemsize
        return _STORED_LIMIT * size_bytes + _STORED_EXTRA_BYTES + self.index_bytes

    def _sides(self, settings: object) -> tuple[int, ...]:
        sides = settings.get("chunk_shape") if isinstance(settings, dict) else None
        return parse_sides(sides, self._where, "chunk_shape")

    def _codecs(self, listed: object, *, sharded: bool = False) -> list[Codec]:
        """Returns zarr-python's codecs for the metadata, with compressors replaced by size-limited codecs."""
        named = _named(listed, self._where)
        names = [name for name, _ in named]
        if sharded and names == ["sharding_indexed"]:
            return [self._sharding(named[0][1])]
        place = names.index("bytes") if "bytes" in names else 0
        before, after = names[:place], names[place + 1 :]
        compressors = [name for name in after if name in _COMPRESSORS]
        if (
            names[place] != "bytes"
            or set(before) - {"transpose"}
            or set(after) - {"crc32c", *_COMPRESSORS}
            or len(compressors) > 1
        ):
            raise DamagedStoreError(
                f"{self._where}: codecs must be sharding_indexed alone, or transpose, bytes, crc32c and one "
                f"of {', '.join(_COMPRESSORS)}; got {', '.join(names)[:80]}"
            )
        codecs: list[Codec] = [TransposeCodec(order=settings["order"]) for _, settings in named[:place]]
        codecs.append(BytesCodec(endian=named[place][1].get("endian")))
        size_bytes = math.prod(self.chunks) * self.itemsize
        for name in after:
            codecs.append(Crc32cCodec() if name == "crc32c" else _Compressed(name, size_bytes))
            size_bytes += _CHECKSUM_BYTES
        return codecs

    def _sharding(self, settings: dict[str, Any]) -> ShardingCodec:
        self.chunks = self._sides(settings)
        if len(self.chunks) != len(self.files) or 0 in self.chunks or self._inner > _MOST_INNER_CHUNKS:
            raise DamagedStoreError(
                f"{self._where}: shards of shape {self.files} must consist of at least 1 and at most "
                f"{_MOST_INNER_CHUNKS:,} chunks, got chunks of shape {self.chunks}"
            )
        index = [name for name, _ in _named(settings.get("index_codecs"), self._where)]
        if set(index) - {"bytes", "crc32c"} or index.count("crc32c") > 1:
            raise DamagedStoreError(
                f"{self._where}: a shard's index must have the codec bytes, and optionally crc32c, got "
                f"{', '.join(index)[:80]}"
            )
        return ShardingCodec(
            chunk_shape=self.chunks,
            codecs=self._codecs(settings.get("codecs")),
            index_codecs=settings["index_codecs"],
            index_location=settings.get("index_location", "end"),
        )


def _named(listed: object, where: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the listed codecs as (name, configuration). Zarr also allows a name alone."""
    found = []
    for codec in listed if isinstance(listed, list) and 0 < len(listed) <= _MOST_CODECS else [None]:
        full = {"name": codec} if isinstance(codec, str) else codec
        name = full.get("name") if isinstance(full, dict) else None
        settings = (full.get("configuration") or {}) if isinstance(full, dict) else None
        if not isinstance(name, str) or not isinstance(settings, dict):
            raise DamagedStoreError(f"{where}: its list of codecs cannot be read")
        found.append((name, settings))
    return found


@dataclass(frozen=True)
class _Compressed(BytesBytesCodec):
    """A codec that decompresses a chunk to exactly `size_bytes`, or raises an error."""

    name: str
    size_bytes: int
    is_fixed_size = False

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        stored = np.ascontiguousarray(chunk_bytes.as_numpy_array()).view(np.uint8)
        return chunk_spec.prototype.buffer.from_array_like(expand(self.name, stored, self.size_bytes))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError


class _Objects(MemoryStore):
    """Lets zarr-python read the files of a store, but nothing outside them."""

    def __init__(
        self,
        files: ZarrFiles,
        remote: RemoteZarrFiles | None,
        layout: _Layout,
        kept: Mapping[str, ByteSource],
    ) -> None:
        super().__init__(read_only=True)
        self._files = files
        self._remote = remote
        self._layout = layout
        self._kept = kept

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Returns a file, or a range of it; None if the file does not exist."""
        prototype = prototype or default_buffer_prototype()
        if self._remote is None:
            data = self._part_of_map(key, byte_range)
        else:
            data = await asyncio.to_thread(self._request, self._remote, key, byte_range)
        return None if data is None else prototype.buffer.from_array_like(data)

    def _part_of_map(self, key: str, byte_range: ByteRequest | None) -> npt.NDArray[np.uint8] | None:
        mapped = self._kept.get(key)
        if mapped is None:
            if not self._files.has(key):
                return None
            mapped = self._files.mapped(key)
        content = mapped.bytes()
        if byte_range is None:
            return content
        if isinstance(byte_range, SuffixByteRequest):
            return content[max(content.size - byte_range.suffix, 0) :]
        start, stop = self._bounds(key, byte_range, content.size)
        return content[start:stop]

    def _request(
        self, remote: RemoteZarrFiles, key: str, byte_range: ByteRequest | None
    ) -> npt.NDArray[np.uint8] | None:
        if isinstance(byte_range, SuffixByteRequest):
            tail = remote.tails([key], byte_range.suffix)[0]
            return None if tail is None else np.frombuffer(tail, np.uint8)
        if byte_range is None:
            limit = self._layout.stored_limit(whole=True)
            remote.prefetch([(key, limit + 1)])
            return np.frombuffer(remote.read(key, limit), np.uint8) if remote.has(key) else None
        begin = cast(RangeByteRequest, byte_range).start
        start, stop = self._bounds(key, byte_range, begin + self._layout.stored_limit(whole=False))
        return remote.gather([Want(key, start, stop)])[0]

    def _bounds(self, key: str, byte_range: ByteRequest, limit: int) -> tuple[int, int]:
        start, stop = cast(RangeByteRequest, byte_range).start, cast(RangeByteRequest, byte_range).end
        if not 0 <= start <= stop <= limit:
            raise DamagedStoreError(
                f"{self._files.where(key)}: a chunk claims bytes {start:,} to {stop:,}, "
                f"but the limit is {limit:,}"
            )
        return start, stop
