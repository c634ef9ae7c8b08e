"""Writes the Zarr container: frames directly to shards, and image files through a spool to chunks."""

import contextlib
from pathlib import Path
from typing import IO, Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.format.container import RowLayout
from dfs_store.format.digest import canonical_json
from dfs_store.format.io.spool import Spool
from dfs_store.format.spec import ATTRIBUTE, CODED, NATIVE, SMALL_ARRAYS, frame_size_bytes
from dfs_store.format.zarr.metadata import (
    array_metadata,
    bytes_metadata,
    chunk_file,
    frames_metadata,
    group_metadata,
)
from dfs_store.format.zarr.shard_index import ABSENT
from dfs_store.format.zarr.sinks import FolderSink, ZarrSink, ZipSink

__all__ = ["ZarrWriter"]

# Limits of a shard file: large enough for a store to have few files, but small enough to copy. The index of a
# shard, which zarr-python reads at every access, has 16 bytes per frame, and therefore at most 64 KiB.
MAX_SHARD_BYTES = 2**30
MAX_SHARD_FRAMES = 4096
MAX_CHUNK_BYTES = 16 * 2**20  # limit of a chunk of image files, for the same reasons


class ZarrWriter:
    """Writes a Zarr v3 folder or archive (see `dfs_store.format.container.ContainerWriter`)."""

    def __init__(self, root: Path, layout: RowLayout) -> None:
        self._sink: ZarrSink = ZipSink(root) if root.suffix == ".zip" else FolderSink(root)
        self._metadata: dict[str, dict[str, Any]] = {}
        self._layout = layout
        self._spool = Spool(root.with_name("spool")) if layout.name == CODED else None
        row_bytes = frame_size_bytes(layout.row_shape, layout.dtype)
        self._length = max(1, min(MAX_SHARD_FRAMES, MAX_SHARD_BYTES // row_bytes))
        self._count = 0
        self._file: IO[bytes] | None = None
        self._index: list[tuple[int, int]] = []
        self._offset = 0

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows to the large array."""
        if self._spool is not None:
            self._spool.append(rows)
            return
        for frame in np.ascontiguousarray(rows):
            if self._file is None:
                name = chunk_file(self._count // self._length, 1 + len(self._layout.row_shape))
                self._file = self._sink.begin(f"{self._layout.name}/{name}")
            data = compress(frame, self._layout.compression)
            self._file.write(data)
            self._index.append((self._offset, data.nbytes))
            self._offset += data.nbytes
            self._count += 1
            if len(self._index) == self._length:
                self._end_shard(self._length)

    def finish(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        attributes: dict[str, Any],
        native: dict[str, npt.NDArray[Any]],
    ) -> None:
        """Writes the small and native arrays, then the attributes, and flushes everything to disk."""
        self._end_rows()
        for name, array in arrays.items():
            self._write_array(name, np.ascontiguousarray(array, dtype=SMALL_ARRAYS[name]))
        if native:
            for name, array in native.items():
                self._write_array(f"{NATIVE}/{name}", array)
            self._describe(NATIVE, group_metadata({}))
        root = group_metadata({ATTRIBUTE: attributes}, self._metadata)
        self._sink.write("zarr.json", canonical_json(root))
        self._sink.settle("")
        self._sink.finish()

    def close(self) -> None:
        """Closes the open shard and the spool."""
        if self._spool is not None:
            self._spool.close()
        if self._file is not None:
            # A write error, such as a full disk, is raised again when the file is closed.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        self._sink.close()

    def _end_rows(self) -> None:
        layout = self._layout
        if self._spool is not None:
            # Chunks have equal lengths; the padding of the last one is less than one byte per chunk.
            count = self._spool.size_bytes
            length = -(-count // -(-count // MAX_CHUNK_BYTES))
            for number, data in enumerate(self._spool.pieces(length)):
                self._sink.write(f"{layout.name}/{chunk_file(number, 1)}", data.ljust(length, b"\0"))
            self._describe(layout.name, bytes_metadata(count, length))
            return
        # A single shard is as long as the store, so that its index has no empty entries.
        length = min(self._length, self._count)
        if self._file is not None:
            self._end_shard(length)
        shape = (self._count, *layout.row_shape)
        self._describe(layout.name, frames_metadata(layout.dtype, shape, length, layout.compression))

    def _end_shard(self, length: int) -> None:
        file = self._file
        assert file is not None
        entries = self._index + [(ABSENT, ABSENT)] * (length - len(self._index))
        index = np.array(entries, dtype="<u8").tobytes()
        file.write(index + google_crc32c.value(index).to_bytes(4, "little"))
        self._sink.end(file)
        self._file, self._index, self._offset = None, [], 0

    def _write_array(self, name: str, stored: npt.NDArray[Any]) -> None:
        self._sink.write(f"{name}/{chunk_file(0, stored.ndim)}", stored.tobytes())
        self._describe(name, array_metadata(stored.dtype.name, stored.shape))

    def _describe(self, name: str, metadata: dict[str, Any]) -> None:
        """Writes the zarr.json of an array or group, and keeps it for the root's consolidated metadata."""
        self._metadata[name] = metadata
        self._sink.write(f"{name}/zarr.json", canonical_json(metadata))
        self._sink.settle(name)


def compress(frame: npt.NDArray[Any], compression: str | None) -> memoryview:
    """Returns the bytes of one frame as they are stored in a chunk."""
    if compression is None:
        return frame.data.cast("B")
    # Imported lazily, because uncompressed stores do not need numcodecs.
    if compression == "zstd":
        from numcodecs.zstd import Zstd

        return memoryview(Zstd(level=3).encode(frame)).cast("B")
    from numcodecs.gzip import GZip

    return memoryview(GZip(level=6).encode(frame)).cast("B")
