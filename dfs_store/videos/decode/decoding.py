"""Decoding one clip: of a video file, with PyAV first and decord second, or of a folder of pictures.

Runs in worker processes only, and imports neither torch nor anything that does.

The frames of a file are those that ``ffmpeg -i FILE -fps_mode passthrough`` shows, whatever the container
says, with either decoder. Both scale with the same library (swscale, bilinear with a filter as wide as the
reduction, so it does not alias) and differ by a fraction of a grey value.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.container import DEFAULT_FPS
from dfs_store.videos.decode.decoders import decoders_of
from dfs_store.videos.decode.frame_folder import pictures_of
from dfs_store.videos.decode.picture import FORMATS, read_picture
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.decode.scaling import Pixels, Scaler, arrange
from dfs_store.videos.decode.with_decord import decode_with_decord
from dfs_store.videos.decode.with_pyav import FramePicker, NoFrameError, decode_with_pyav

__all__ = ["DecodedClip", "FramePicker", "decode_clip"]

_DECODERS = {"pyav": decode_with_pyav, "decord": decode_with_decord}


@dataclass(frozen=True)
class DecodedClip:
    """All views of one clip.

    Attributes:
        pixels: (V, T, H, W, 3) uint8, RGB.
        frames: (V, T) int64 frame numbers.
        fps: frames per second of the video.
        decoder: "pyav" or "decord", "pictures" for a folder of them.
        note: what is missing of the file, or "".
    """

    pixels: Pixels
    frames: npt.NDArray[np.int64]
    fps: float
    decoder: str
    note: str = ""


def decode_clip(
    path: str, sampling: Sampling, pick: FramePicker, *, decoders: Sequence[str] = decoders_of("auto")
) -> DecodedClip:
    """Decodes the frames that `pick` asks for, scaled by their display aspect ratio, upright, and cropped.

    A file that is cut short is used up to its last frame that can be decoded, and the note says so.

    Args:
        path: the video file, or a folder of pictures, one per frame.
        sampling: size and way of resizing.
        pick: see `FramePicker`; may be called twice for one file.
        decoders: which to use; each further one is for files out of which the ones before get no frame.

    Raises:
        DecodeError: no decoder gets a single frame out of the file.
        MemoryError: it takes more memory than this process may have.
    """
    try:
        if os.path.isdir(path):
            return _decode_pictures(path, sampling, pick)
        return _decode_video(path, sampling, pick, decoders)
    except DecodeError:
        raise
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if error.errno == errno.ENOMEM:
            raise MemoryError(reason) from error
        raise DecodeError(f"{path}: {reason}") from error


def _decode_video(path: str, sampling: Sampling, pick: FramePicker, decoders: Sequence[str]) -> DecodedClip:
    first: NoFrameError | None = None
    for decoder in decoders:
        try:
            pixels, frames, fps, note = _DECODERS[decoder](path, sampling, pick)
        except NoFrameError as error:
            first = first or error
        except DecodeError as error:
            raise first or error from error
        else:
            return DecodedClip(pixels, frames, fps, decoder, note)
    raise first or DecodeError(f"{path}: no decoder to try")


def _decode_pictures(path: str, sampling: Sampling, pick: FramePicker) -> DecodedClip:
    """Reads the pictures that are needed, which must be shown at one size."""
    pictures = pictures_of(path)
    if not pictures:
        raise DecodeError(f"{path}: there is no {FORMATS} picture in the folder")
    numbers = pick(len(pictures), DEFAULT_FPS)
    found: dict[int, Pixels] = {}
    first: tuple[int, int] | None = None
    for number in np.unique(numbers).tolist():
        try:
            frame, way_up = read_picture(pictures[number])
            size = way_up.stored_size(frame.width, frame.height)
            first = first or size
            if size != first:
                raise DecodeError(
                    f"pictures of one clip must have one size, got {first[0]} x {first[1]} and "
                    f"{size[0]} x {size[1]} pixels ({pictures[number].name})"
                )
            found[number] = Scaler(sampling, Fraction(1), way_up)(frame)
        except DecodeError as error:
            raise DecodeError(f"{path}: {error}") from error
    return DecodedClip(arrange(found, numbers), numbers, DEFAULT_FPS, "pictures")
