"""Image files of key frames by the name of their encoding; errors of every library become ValueError."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import __version__, features

from dfs_store.errors import MissingDependencyError
from dfs_store.format.coded.avif import decode_avif, encode_avif
from dfs_store.format.coded.webp import decode_webp, encode_webp

__all__ = ["codec_versions", "decode_file", "encode_files"]

Levels8 = npt.NDArray[np.uint8]

_SHOWN = 200  # letters of a library's error


def encode_files(levels: Levels8, name: str, quality: int) -> list[bytes]:
    """Returns key frames of a clip (K, 3, H, W) uint8 as image files: K stills, or one sequence.

    Args:
        levels: the frames.
        name: "webp" or "avif".
        quality: 0 to 100.

    Raises:
        MissingDependencyError: Pillow was built without the library that encodes it.
    """
    _check_support(name)
    frames = np.ascontiguousarray(levels.transpose(0, 2, 3, 1))
    if name == "webp":
        return [encode_webp(frame, quality) for frame in frames]
    return [encode_avif(frames, quality)]


def decode_file(
    data: bytes, name: str, count: int, size: Sequence[int], out: Levels8 | None = None
) -> Levels8:
    """Returns the frames (K, 3, H, W) uint8 of an image file, contiguous.

    Args:
        data: the file.
        name: "webp" or "avif".
        count: K, 1 for a still.
        size: (H, W).
        out: where they are written and returned; new memory if absent.

    Raises:
        ValueError: it is damaged, or not exactly such frames.
        MissingDependencyError: Pillow was built without the library that decodes it.
        MemoryError: there is not enough memory.
    """
    height, width = size
    _check_support(name)
    try:
        if name == "webp":
            frames = decode_webp(data, height, width)[None]
        else:
            frames = decode_avif(data, count, height, width)
    except MemoryError:  # says nothing about the file
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
            f"key frames stored as {name} need Pillow with support for it, such as the wheels of Pillow 11.3 "
            "or later; install it with: pip install --upgrade pillow"
        )


def codec_versions(name: str) -> dict[str, str]:
    """Returns the versions of the libraries that encode and decode, by name."""
    library = {"webp": "libwebp", "avif": "libavif"}[name]
    return {"pillow": __version__, library: str(features.version(name))}
