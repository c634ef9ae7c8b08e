"""Exports shards for the webdataset library: tar files in which a clip's members have the same base name."""

import io
import json
import math
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.exchange.exports.clips import ExportedClips
from dfs_store.exchange.exports.encode import encode_video

__all__ = ["NPY", "write_shards"]

NPY = "npy"
_BLOCK_BYTES = 512  # headers and contents in a tar file are padded to this size
_END_BYTES = 20 * _BLOCK_BYTES  # a tar file ends with two empty blocks and is padded to a multiple of this


def write_shards(clips: ExportedClips, folder: Path, *, fps: float, encoding: str, max_bytes: int) -> None:
    """Writes `shard-000000.tar` and so on, with `<number>.npy` or `.mp4`, `.cls` and `.json` for every clip.

    The output is deterministic. A shard has at most `max_bytes` bytes. The encoding is "npy" for arrays
    (T, H, W, 3) uint8, or an encoding of `encode_video`.

    Raises:
        SettingsError: a clip is larger than `max_bytes`.
    """
    height, width = clips.store.frame_shape[1:]
    shape = (clips.store.num_frames, height, width, 3)
    folder.mkdir(parents=True, exist_ok=True)
    number, size = 0, max_bytes  # the first clip opens the first shard
    with ExitStack() as stack:
        for clip in clips:
            pixels = clips.rgb(clip)
            if encoding == NPY:
                _check_fits(clip.number, math.prod(shape), max_bytes)  # before the clip is rebuilt in memory
                suffix, data = NPY, _npy(pixels, shape)
            else:
                suffix, data = "mp4", encode_video(pixels, fps, encoding)
            about = {**clip.to_json(), "fps": fps}
            members = {
                suffix: data,
                "cls": str(clip.label).encode(),
                "json": json.dumps(about, allow_nan=False).encode(),
            }
            added = sum(_BLOCK_BYTES + _padded(len(each), _BLOCK_BYTES) for each in members.values())
            _check_fits(clip.number, added, max_bytes)
            if _shard_bytes(size + added) > max_bytes:
                stack.close()
                file = folder / f"shard-{number:06d}.tar"
                shard = stack.enter_context(tarfile.open(file, "x", format=tarfile.USTAR_FORMAT))
                number, size = number + 1, 0
            size += added
            for name, each in members.items():
                entry = tarfile.TarInfo(f"{clip.number:08d}.{name}")
                entry.size = len(each)
                shard.addfile(entry, io.BytesIO(each))


def _check_fits(clip: int, size: int, max_bytes: int) -> None:
    if _shard_bytes(size) > max_bytes:
        raise SettingsError(
            f"--shard-size {max_bytes:,} bytes is too small for clip {clip}, which needs at least "
            f"{_shard_bytes(size):,}; use larger shards, or --encoding h264"
        )


def _npy(frames: Iterable[npt.NDArray[np.uint8]], shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for frame in frames:
        file.write(frame.data)
    return file.getvalue()


def _shard_bytes(size: int) -> int:
    return _padded(size + 2 * _BLOCK_BYTES, _END_BYTES)


def _padded(size: int, block: int) -> int:
    return -(-size // block) * block
