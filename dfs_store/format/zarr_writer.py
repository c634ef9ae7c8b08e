"""Writes the Zarr container: frames go straight into shard files, so memory stays at one frame."""

import contextlib
import os
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.format.digest import canonical_json
from dfs_store.format.spec import ATTRIBUTE, FRAMES, NATIVE, SMALL_ARRAYS, frame_size_bytes
from dfs_store.format.transaction import sync_folder, write_synced
from dfs_store.format.zarr_metadata import array_metadata, frames_metadata, group_metadata

__all__ = ["ZarrWriter"]

# A shard file: large enough that few arise, small enough to copy and to keep its index (16 bytes per frame,
# which zarr-python reads anew for every access) at 64 KiB.
MAX_SHARD_BYTES = 2**30
MAX_SHARD_FRAMES = 4096
_ABSENT = 2**64 - 1


class ZarrWriter:
    """A Zarr v3 directory in the making (see `dfs_store.format.container.ContainerWriter`)."""

    def __init__(
        self, root: Path, frame_shape: tuple[int, int, int], dtype: str, compression: str | None
    ) -> None:
        self._root = root
        self._frame_shape = frame_shape
        self._dtype = dtype
        self._compression = compression
        self._length = max(1, min(MAX_SHARD_FRAMES, MAX_SHARD_BYTES // frame_size_bytes(frame_shape, dtype)))
        self._count = 0
        self._file: BinaryIO | None = None
        self._index: list[tuple[int, int]] = []
        self._offset = 0
        root.mkdir()
        (root / FRAMES).mkdir()

    def append(self, frames: npt.NDArray[Any]) -> None:
        """Takes in K stored frames (K, C, H, W)."""
        for frame in np.ascontiguousarray(frames):
            if self._file is None:
                name = ".".join(["c", str(self._count // self._length), "0", "0", "0"])
                self._file = (self._root / FRAMES / name).open("xb")
            data = compress(frame, self._compression)
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
        """Writes small and native arrays and then the attributes, each safe on disk before the next."""
        # A store that fits into one shard gets a shard of its own length, without empty index entries.
        length = min(self._length, self._count)
        if self._file is not None:
            self._end_shard(length)
        shape = (self._count, *self._frame_shape)
        metadata = frames_metadata(self._dtype, shape, length, self._compression)
        write_synced(self._root / FRAMES / "zarr.json", canonical_json(metadata))
        sync_folder(self._root / FRAMES)
        for name, array in arrays.items():
            _write_array(self._root / name, np.ascontiguousarray(array, dtype=SMALL_ARRAYS[name]))
        if native:
            (self._root / NATIVE).mkdir()
            for name, array in native.items():
                _write_array(self._root / NATIVE / name, array)
            write_synced(self._root / NATIVE / "zarr.json", canonical_json(group_metadata({})))
            sync_folder(self._root / NATIVE)
        write_synced(self._root / "zarr.json", canonical_json(group_metadata({ATTRIBUTE: attributes})))
        sync_folder(self._root)

    def close(self) -> None:
        """Lets go of the open shard."""
        if self._file is not None:
            # What a full disk refused before, it refuses again when the file is closed.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _end_shard(self, length: int) -> None:
        file = self._file
        assert file is not None
        entries = self._index + [(_ABSENT, _ABSENT)] * (length - len(self._index))
        index = np.array(entries, dtype="<u8").tobytes()
        file.write(index + google_crc32c.value(index).to_bytes(4, "little"))
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._file, self._index, self._offset = None, [], 0


def _write_array(folder: Path, stored: npt.NDArray[Any]) -> None:
    """Writes an array as a single chunk, as it lies in memory."""
    folder.mkdir()
    write_synced(folder / ".".join(["c"] + ["0"] * stored.ndim), stored.tobytes())
    write_synced(folder / "zarr.json", canonical_json(array_metadata(stored.dtype.name, stored.shape)))
    sync_folder(folder)


def compress(frame: npt.NDArray[Any], compression: str | None) -> memoryview:
    """Returns the bytes of one frame as they go into a chunk."""
    if compression is None:
        return frame.data.cast("B")
    # zarr's own codecs, imported by need: an uncompressed store never loads them.
    if compression == "zstd":
        from numcodecs.zstd import Zstd

        return memoryview(Zstd(level=3).encode(frame)).cast("B")
    from numcodecs.gzip import GZip

    return memoryview(GZip(level=6).encode(frame)).cast("B")
