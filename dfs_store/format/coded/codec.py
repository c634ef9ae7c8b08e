"""Image files of key frames by the name of their encoding; errors of every library become ValueError."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
    """
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
    """
    height, width = size
    try:
        if name == "webp":
            frames = decode_webp(data, height, width)[None]
        else:
            frames = decode_avif(data, count, height, width)
    except Exception as error:  # Pillow raises SyntaxError, OSError, EOFError and others on damaged files
        text = str(error) or type(error).__name__
        raise ValueError(text[:_SHOWN]) from error
    channels_first = frames.transpose(0, 3, 1, 2)
    if out is None:
        return np.ascontiguousarray(channels_first)
    out[...] = channels_first
    return out


def codec_versions(name: str) -> dict[str, str]:
    """Returns the versions of the libraries that encode and decode, by name."""
    from PIL import __version__, features

    library = {"webp": "libwebp", "avif": "libavif"}[name]
    return {"pillow": __version__, library: str(features.version(name))}
