"""A clip kept as a folder of pictures, one PNG or JPEG file per frame, in the order of their numbers."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dfs_store.errors import DecodeError
from dfs_store.videos.files.picture_sequences import PICTURE_SUFFIXES, picture_sequence

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["folder_status", "pictures_of", "read_picture"]

# The content decides, as with videos, not the name.
_DECODERS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "mjpeg"))
_MAX_PICTURE_BYTES = 2**28


def pictures_of(folder: str | os.PathLike[str]) -> list[Path]:
    """Returns the frames in a folder in the order of the numbers in their names: 2 before 10.

    Raises:
        DecodeError: there are pictures of several name patterns, and it is not clear which are the frames.
    """
    return [Path(folder, name) for name in picture_sequence(_pictures_in(folder)).names]


def folder_status(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns the bytes of all frames of a folder, and when the newest was changed, in nanoseconds."""
    try:
        pictures = pictures_of(folder)
    except DecodeError:  # decoding says so
        pictures = [Path(folder, name) for name in _pictures_in(folder)]
    found = [picture.stat() for picture in pictures]
    return sum(each.st_size for each in found), max((each.st_mtime_ns for each in found), default=0)


def read_picture(path: Path) -> "VideoFrame":
    """Decodes one picture.

    Raises:
        DecodeError: it is no PNG or JPEG picture, or damaged.
        OSError: it cannot be read.
    """
    import av  # by need: finding clips decodes nothing
    from av.error import FFmpegError
    from av.video.codeccontext import VideoCodecContext

    if path.stat().st_size > _MAX_PICTURE_BYTES:
        raise DecodeError(f"{path.name} has more than {_MAX_PICTURE_BYTES:,} bytes")
    data = path.read_bytes()
    decoder = next((name for start, name in _DECODERS if data.startswith(start)), None)
    if decoder is None:
        raise DecodeError(f"{path.name} is neither a PNG nor a JPEG picture")
    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, VideoCodecContext)
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except FFmpegError as error:
        raise DecodeError(f"{path.name}: {error.strerror or error}") from error
    if not frames:
        raise DecodeError(f"{path.name} holds no picture")
    return frames[0]


def _pictures_in(folder: str | os.PathLike[str]) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if _is_picture(entry)]


def _is_picture(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in PICTURE_SUFFIXES:
        return False
    return entry.is_file()
