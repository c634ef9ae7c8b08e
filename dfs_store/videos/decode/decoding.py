"""Decodes a clip from a video file, with PyAV or else decord, or from a folder of images.

Runs in worker processes only. Does not import torch.

With either decoder, the frames of a file are those of ``ffmpeg -i FILE -fps_mode passthrough``, regardless of
the container's header. Both decoders scale with the same library (swscale: bilinear, antialiased), and their
results differ by a fraction of a grey level.
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
        decoder: "pyav", "decord", or "pictures" for a folder of images.
        note: what is missing from the file, or "".
    """

    pixels: Pixels
    frames: npt.NDArray[np.int64]
    fps: float
    decoder: str
    note: str = ""


def decode_clip(
    path: str, sampling: Sampling, pick: FramePicker, *, decoders: Sequence[str] = decoders_of("auto")
) -> DecodedClip:
    """Decodes the frames selected by `pick`, in their display aspect ratio, upright, scaled and cropped.

    A truncated file is used up to the last frame that can be decoded, and the note says what is missing.

    Args:
        path: a video file, or a folder of images, one per frame.
        sampling: size and resizing rule.
        pick: selects the frames, see `FramePicker`; may be called twice for one file.
        decoders: decoders in order; the next one is tried if the previous one cannot decode a single frame.

    Raises:
        DecodeError: no decoder can decode a single frame.
        MemoryError: decoding needs more memory than this process may use.
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
    pictures = pictures_of(path)
    if not pictures:
        raise DecodeError(f"{path}: the folder contains no {FORMATS} images")
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
                    f"all images of a clip must have the same size, got {first[0]} x {first[1]} and "
                    f"{size[0]} x {size[1]} pixels ({pictures[number].name})"
                )
            found[number] = Scaler(sampling, Fraction(1), way_up)(frame)
        except DecodeError as error:
            raise DecodeError(f"{path}: {error}") from error
    return DecodedClip(arrange(found, numbers), numbers, DEFAULT_FPS, "pictures")
