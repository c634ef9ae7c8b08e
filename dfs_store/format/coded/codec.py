"""Encodes key frames as image files and decodes them, given the name of the encoding."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import __version__, features

from dfs_store.errors import MissingDependencyError
from dfs_store.format.coded.avif import decode_avif, encode_avif
from dfs_store.format.coded.webp import decode_webp, encode_webp

__all__ = ["codec_versions", "decode_file", "encode_files"]

Levels8 = npt.NDArray[np.uint8]

_SHOWN = 200  # maximum number of characters shown of a library's error


def encode_files(levels: Levels8, name: str, quality: int) -> list[bytes]:
    """Encodes frames (K, 3, H, W) uint8 as K "webp" stills or one "avif" file, with a quality of 0 to 100.

    Raises:
        MissingDependencyError: Pillow was built without the encoder.
    """
    _check_support(name)
    frames = np.ascontiguousarray(levels.transpose(0, 2, 3, 1))
    if name == "webp":
        return [encode_webp(frame, quality) for frame in frames]
    return [encode_avif(frames, quality)]


def decode_file(
    data: bytes, name: str, count: int, size: Sequence[int], out: Levels8 | None = None
) -> Levels8:
    """Decodes an image file and returns its frames, a contiguous array (K, 3, H, W) uint8.

    Args:
        data: content of the file.
        name: "webp" or "avif".
        count: K, number of frames; 1 for a still.
        size: (H, W).
        out: array to fill and return, (K, 3, H, W) uint8. Defaults to a new array.

    Raises:
        ValueError: the file is damaged, or does not contain exactly K frames of this size.
        MissingDependencyError: Pillow was built without the decoder.
        MemoryError: there is not enough memory.
    """
    height, width = size
    _check_support(name)
    try:
        if name == "webp":
            frames = decode_webp(data, height, width)[None]
        else:
            frames = decode_avif(data, count, height, width)
    except MemoryError:  # not caused by the file
        raise
    except Exception as error:  # Pillow raises SyntaxError, OSError, EOFError and others on damaged files
        text = str(error) or type(error).__name__
        raise ValueError(text[:_SHOWN]) from error
    channels_first = frames.transpose(0, 3, 1, 2)
    if out is None:
        return np.ascontiguousarray(channels_first)
    out[...] = channels_first
    return out


def _check_support(name: str) -> None:
    if not features.check(name):
        raise MissingDependencyError(
            f"key frames stored as {name} require a build of Pillow that supports it, such as the wheels of "
            "Pillow 11.3 or later; install one with: pip install --upgrade pillow"
        )


def codec_versions(name: str) -> dict[str, str]:
    """Returns the versions of the libraries that implement an encoding, by library name."""
    library = {"webp": "libwebp", "avif": "libavif"}[name]
    return {"pillow": __version__, library: str(features.version(name))}
