"""Parses the encodings of key frames and their quality, such as "webp:75" and "avif:60"."""

from dataclasses import dataclass

from dfs_store.errors import SettingsError
from dfs_store.format.spec import FRAME_DTYPES, FRAME_ENCODINGS

__all__ = ["DEFAULT_QUALITY", "FrameEncoding", "gives_quality", "parse_encoding", "stored_dtype"]

DEFAULT_QUALITY = {"webp": 75, "avif": 60}
MAX_QUALITY = 100


@dataclass(frozen=True)
class FrameEncoding:
    """An encoding of key frames.

    Attributes:
        name: "webp" or "avif".
        quality: quality of the encoder, from 0 (smallest file) to 100 (best).
    """

    name: str
    quality: int

    @property
    def unit(self) -> str:
        """What one image file contains: "frame" for a key frame, "clip" for all key frames of a clip."""
        return FRAME_ENCODINGS[self.name]

    def __str__(self) -> str:
        return f"{self.name}:{self.quality}"


def gives_quality(text: str | None) -> bool:
    """Returns whether the name of an encoding is followed by a quality, as in "webp:75"."""
    return text is not None and ":" in text


def parse_encoding(text: str | None, what: str = "encoding") -> FrameEncoding | None:
    """Parses "webp", "webp:75", "avif" or "avif:60". Returns None for "none" and None.

    Args:
        text: name of the encoding, with an optional quality from 0 to 100 (default: WebP 75, AVIF 60).
        what: name of the setting in error messages.

    Raises:
        SettingsError: the name is unknown, or the quality is not a whole number in 0..100.
    """
    if text is None or text == "none":
        return None
    name, colon, quality = text.partition(":")
    if name not in FRAME_ENCODINGS:
        raise SettingsError(f"{what} must be none, webp[:QUALITY] or avif[:QUALITY], got {text!r}")
    if not colon:
        return FrameEncoding(name, DEFAULT_QUALITY[name])
    if not (quality.isascii() and quality.isdigit() and int(quality) <= MAX_QUALITY):
        raise SettingsError(
            f"{what}: the quality must be a whole number from 0 to {MAX_QUALITY}, got {quality!r}"
        )
    return FrameEncoding(name, int(quality))


def stored_dtype(
    dtype: str | None, encoding: FrameEncoding | None, default: str = "float32", *, prefix: str = ""
) -> str:
    """Returns `dtype`. If it is None, returns uint8 for encoded key frames and `default` for numbers.

    Args:
        dtype: the given dtype, or None.
        encoding: encoding of the key frames, or None if they are stored as numbers.
        default: dtype for numbers if none is given.
        prefix: prefix of setting names in error messages, "--" on the command line.

    Raises:
        SettingsError: the dtype is unknown, or there is an encoding and the dtype is not uint8.
    """
    if dtype is not None and dtype not in FRAME_DTYPES:
        raise SettingsError(f"{prefix}dtype must be one of {', '.join(FRAME_DTYPES)}, got {dtype!r}")
    if encoding is None:
        return dtype or default
    if dtype not in (None, "uint8"):
        raise SettingsError(
            f"{prefix}encoding {encoding} stores 8-bit levels, so {prefix}dtype must be uint8, got {dtype!r}"
        )
    return "uint8"
