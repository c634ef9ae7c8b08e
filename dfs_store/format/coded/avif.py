"""Encodes and decodes the key frames of a clip as one AVIF file with Pillow."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import AvifImagePlugin, Image

from dfs_store.format.coded.avif_boxes import Boxes, check_file

__all__ = ["decode_avif", "encode_avif"]

_SPEED = 6
_DURATION = 1  # duration of a frame in milliseconds; no reader uses it
# Boxes that contain the times of creation and modification, 64 bits each in version 1.
_DATED = (b"mvhd", b"tkhd", b"mdhd")


def encode_avif(frames: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Encodes frames (K, H, W, 3) uint8 as an AVIF file. Equal frames produce equal bytes."""
    try:
        return _encode(frames, quality)
    except RuntimeError:
        # For small, noisy frames at high quality, libaom 3.14 allocates too small a buffer for hidden frames.
        # The buffer is large enough without a pyramid of hidden frames.
        return _encode(frames, quality, advanced={"gf-max-pyr-height": "0"})


def decode_avif(data: bytes, count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decodes an AVIF file and returns its frames, (count, height, width, 3) uint8.

    Raises:
        ValueError: the file is not `count` RGB frames of this size, or breaks a rule of `check_file`.
        Exception: any error that Pillow raises for a damaged file.
    """
    check_file(data, count, height, width)
    frames = np.empty((count, height, width, 3), dtype=np.uint8)
    _decode_in_this_thread()
    with Image.open(io.BytesIO(data), formats=["AVIF"]) as image:
        found = (image.mode, getattr(image, "n_frames", 1), image.size)
        if found != ("RGB", count, (width, height)):
            mode, number, size = found
            raise ValueError(
                f"the file must contain {count} RGB frames of {height}x{width}, "
                f"got {number} {mode} frames of {size[1]}x{size[0]}"
            )
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
    """Stops Pillow from creating threads for each file, because this takes longer than decoding small images.

    The number of threads is a global variable of Pillow. A value set by the program is kept.
    """
    if AvifImagePlugin.DEFAULT_MAX_THREADS == 0:
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def _undated(data: bytes) -> bytes:
    undated = bytearray(data)
    boxes = Boxes(data)
    for name in _DATED:
        for start, _ in boxes.find(name):
            version = data[start]
            times = 16 if version == 1 else 8
            undated[start + 4 : start + 4 + times] = bytes(times)
    return bytes(undated)
