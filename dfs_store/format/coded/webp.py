"""Encodes and decodes key frames as WebP stills, with Pillow.

A header of 34 bytes can make a decoder allocate 4 GB, and decoders ignore data after an image. The header is
therefore checked against the store's frame shape before Pillow reads the file.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, WebPImagePlugin  # noqa: F401 - registers WebP before threads decode

__all__ = ["decode_webp", "encode_webp"]

_HEADER_BYTES = 12  # "RIFF", size, "WEBP"
_CHUNK_BYTES = 8  # fourcc, size
_LOSSY = b"VP8 "  # the tables of a lossless image (VP8L) can take far more memory than its pixels
_START_CODE = b"\x9d\x01\x2a"
_EFFORT = 6  # the slowest method; files are 5 % smaller than with the default, in 1.4 times the time


def encode_webp(frame: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Encodes a frame (H, W, 3) uint8 as a lossy WebP file."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "WEBP", quality=quality, method=_EFFORT)
    return file.getvalue()


def decode_webp(data: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decodes a WebP file and returns its frame, (height, width, 3) uint8.

    Raises:
        ValueError: the file is not exactly one still RGB image of this size.
        Exception: any error that Pillow raises for a damaged file.
    """
    found = _size(data)
    if found != (height, width):
        raise ValueError(f"the image must be {height}x{width}, but its header states {found[0]}x{found[1]}")
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
        if image.mode != "RGB" or image.size != (width, height):
            raise ValueError(f"the image must be RGB, got mode {image.mode} and size {image.size}")
        return np.asarray(image)


def _size(data: bytes) -> tuple[int, int]:
    """Returns height and width from a file's header. Raises ValueError unless the file is a simple still."""
    riff, body = data[:_HEADER_BYTES], data[_HEADER_BYTES + _CHUNK_BYTES :]
    if riff[:4] != b"RIFF" or riff[8:] != b"WEBP" or data[_HEADER_BYTES : _HEADER_BYTES + 4] != _LOSSY:
        raise ValueError("the file must be a simple WebP file with one VP8 chunk")
    claimed = int.from_bytes(data[_HEADER_BYTES + 4 : _HEADER_BYTES + _CHUNK_BYTES], "little")
    if int.from_bytes(riff[4:8], "little") + _CHUNK_BYTES != len(data) or claimed + claimed % 2 != len(body):
        raise ValueError(f"the file has {len(data):,} bytes, but its header states a different size")
    if len(body) < 10 or body[3:6] != _START_CODE:
        raise ValueError("the VP8 chunk does not begin with a key frame")
    # The two highest bits of each number request upscaling, so the comparison requires them to be 0.
    return int.from_bytes(body[8:10], "little"), int.from_bytes(body[6:8], "little")
