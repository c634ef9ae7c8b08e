"""Decodes videos with decord, on request or if PyAV cannot decode them, into the same frames as FFmpeg.

decord counts packets that an edit list hides, and repeats the last frame in place of missing ones. Files are
therefore rejected unless decord's frame count equals FFmpeg's. Its random access is not used, because for
MPEG-4 AVI files such as those of UCF101, it returns wrong frames, with mean errors of up to 60 grey levels.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.container import open_video
from dfs_store.videos.decode.orientation import UPRIGHT
from dfs_store.videos.decode.sampling import Sampling, resized_shape
from dfs_store.videos.decode.scaling import Pixels, arrange, crop, shown_shape
from dfs_store.videos.decode.with_pyav import FramePicker, ShownFrames, read_shown, scan

__all__ = ["decode_with_decord"]


@cache
def _load_decord() -> Any | None:  # noqa: ANN401 - an untyped module
    """Returns the decord module with its logging disabled, or None if it cannot be imported."""
    try:
        import decord  # there are no wheels for ARM and macOS
    except (ImportError, OSError, RuntimeError):
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def decode_with_decord(
    path: str, sampling: Sampling, pick: FramePicker
) -> tuple[Pixels, npt.NDArray[np.int64], float, str]:
    """Returns pixels (V, T, H, W, 3) uint8, frame numbers (V, T), frames per second, and a note or "".

    Raises:
        DecodeError: decord is not installed, cannot read the file, or does not return the same frames as
            FFmpeg.
    """
    decord = _load_decord()
    if decord is None:
        raise DecodeError(f"{path}: decord is not installed; use --decoder pyav")
    with open_video(path) as video:
        scanned = scan(video)
        shown = read_shown(path, video, scanned, sampling, set())
        size = shown.size if shown.length else (video.stream.width, video.stream.height)
        others = video.container.streams.best("video") is not video.stream
        fps, pixel_aspect, length = video.fps, video.pixel_aspect, shown.length or scanned.claimed
    _check_geometry(path, shown, size, others=others)
    width, height = resized_shape(sampling, *shown_shape(*size, pixel_aspect, UPRIGHT))
    found: dict[int, Pixels] = {}
    try:
        reader = decord.VideoReader(path, width=width, height=height, num_threads=1)
        if len(reader) != length:
            raise DecodeError(
                f"{path}: decord counts {len(reader)} frames, but FFmpeg counts {length}; use --decoder pyav"
            )
        numbers = pick(length, fps)
        wanted = set(numbers.ravel().tolist())
        for number in range(max(wanted) + 1):
            frame = reader.next()
            if number in wanted:
                picture = frame.asnumpy()
                if picture.shape != (height, width, 3):  # decord mishandles padded rows
                    raise DecodeError(
                        f"{path}: decord cannot scale frames to a width of {width} pixels; use --decoder pyav"
                    )
                found[number] = crop(picture, sampling.size)
    except DecodeError:
        raise
    except (decord.DECORDError, StopIteration, IndexError, RuntimeError, ValueError) as error:
        raise DecodeError(f"{path}: decord cannot decode the whole file; use --decoder pyav") from error
    return arrange(found, numbers), numbers, fps, scanned.note


def _check_geometry(path: str, shown: ShownFrames, size: tuple[int, int], *, others: bool) -> None:
    if shown.way_up != UPRIGHT:
        raise DecodeError(f"{path}: decord returns wrong pixels for rotated videos; use --decoder pyav")
    if others:
        raise DecodeError(f"{path}: decord and FFmpeg select different streams; use --decoder pyav")
    if not all(size):
        raise DecodeError(f"{path}: the size of its frames is unknown; use --decoder pyav")
