"""The key frames of a clip as one AVIF file, a still picture or a sequence, by Pillow."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import AvifImagePlugin, Image

from dfs_store.format.coded.avif_boxes import Boxes, check_file

__all__ = ["decode_avif", "encode_avif"]

_SPEED = 6
_DURATION = 1  # milliseconds of a frame, which no reader of ours looks at
# Boxes that say when the file was made: creation and modification, 64 bits each in version 1.
_DATED = (b"mvhd", b"tkhd", b"mdhd")


def encode_avif(frames: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Returns frames (K, H, W, 3) uint8 as an AVIF file; equal frames give equal bytes."""
    try:
        return _encode(frames, quality)
    except RuntimeError:
        # libaom 3.14 keeps hidden frames in a buffer that is too small for small frames of noise in high
        # quality. Without a pyramid of them it needs less of it.
        return _encode(frames, quality, advanced={"gf-max-pyr-height": "0"})


def decode_avif(data: bytes, count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Returns the frames (K, H, W, 3) uint8 of an AVIF file.

    Args:
        data: the file.
        count: K.
        height: of a frame.
        width: of a frame.

    Raises:
        ValueError: it is not exactly K RGB frames of that size, or not as `check_file` allows.
        Exception: whatever Pillow raises on a damaged file.
    """
    check_file(data, count, height, width)
    frames = np.empty((count, height, width, 3), dtype=np.uint8)
    _decode_in_this_thread()
    with Image.open(io.BytesIO(data), formats=["AVIF"]) as image:
        found = (image.mode, getattr(image, "n_frames", 1), image.size)
        if found != ("RGB", count, (width, height)):
            raise ValueError(f"must be {count} RGB frames of {height}x{width}, got {found}")
        for number in range(count):
            image.seek(number)
            frames[number] = np.asarray(image)
    return frames


def _encode(frames: npt.NDArray[np.uint8], quality: int, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    first, *others = (Image.fromarray(frame) for frame in frames)
    file = io.BytesIO()
    first.save(
        file,
        "AVIF",
        quality=quality,
        speed=_SPEED,
        max_threads=1,
        save_all=bool(others),
        append_images=others,
        duration=_DURATION,
        **options,
    )
    return _undated(file.getvalue())


def _decode_in_this_thread() -> None:
    """Keeps Pillow from a pool of threads for every file, which takes longer than small pictures do.

    Pillow takes the number from its module alone. A number that the program has set stays.
    """
    if AvifImagePlugin.DEFAULT_MAX_THREADS == 0:
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def _undated(data: bytes) -> bytes:
    """Returns a file without the time at which it was made."""
    undated = bytearray(data)
    boxes = Boxes(data)
    for name in _DATED:
        for start, _ in boxes.find(name):
            version = data[start]
            times = 16 if version == 1 else 8
            undated[start + 4 : start + 4 + times] = bytes(times)
    return bytes(undated)
