"""Decodes one image of a frame folder and reads its orientation."""

import io
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from PIL import Image

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.orientation import UPRIGHT, Orientation, from_exif

__all__ = ["FORMATS", "read_picture"]

FORMATS = "PNG, JPEG, BMP, WebP or TIFF"
# The format is detected from the content, as for videos, not from the file name.
_DECODERS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "mjpeg"),
    (b"BM", "bmp"),
    (b"RIFF", "webp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_MAX_PICTURE_BYTES = 2**28
_EXIF_ORIENTATION = 0x112
_EXIF_MARKS = (b"Exif", b"eXIf", b"EXIF", b"Raw profile type")  # of JPEG, PNG, WebP and old PNG


def read_picture(path: Path) -> tuple[VideoFrame, Orientation]:
    """Decodes an image file.

    Raises:
        DecodeError: the format is unknown, or the file is damaged or too large.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _MAX_PICTURE_BYTES:
        raise DecodeError(f"{path.name} is larger than {_MAX_PICTURE_BYTES:,} bytes")
    data = path.read_bytes()
    if not data:
        raise DecodeError(f"{path.name} is empty")
    decoder = next((name for start, name in _DECODERS if data.startswith(start)), None)
    if decoder is None:
        raise DecodeError(f"{path.name} is not a {FORMATS} image")
    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1  # the workers already use every core
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except FFmpegError as error:
        raise DecodeError(f"{path.name} is damaged ({error.strerror or error})") from error
    if not frames:
        raise DecodeError(f"{path.name} contains no image")
    return frames[0], _way_up(data, decoder)


def _way_up(data: bytes, decoder: str) -> Orientation:
    """Returns the orientation in EXIF, since PyAV does not report whether an image is mirrored."""
    if decoder != "tiff" and not any(mark in data for mark in _EXIF_MARKS):
        return UPRIGHT
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return from_exif(picture.getexif().get(_EXIF_ORIENTATION))
    except Exception:  # noqa: BLE001 - damaged metadata can raise anything in Pillow; the pixels are fine
        return UPRIGHT
