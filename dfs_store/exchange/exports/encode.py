"""Encodes pixels as MP4 videos and PNG images."""

import io
import itertools
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from dfs_store.errors import SettingsError

__all__ = ["DEFAULT_FPS", "H264", "LOSSLESS", "check_fps", "encode_png", "encode_video"]

Pixels = npt.NDArray[np.uint8]

DEFAULT_FPS = 8.0
_MIN_FPS, _MAX_FPS = 0.1, 1000.0
H264, LOSSLESS = "h264", "lossless"
# Visually lossless. Coarser settings would smooth condensed clips, which resemble noise.
_QUALITY = {"crf": "10", "preset": "medium"}


def check_fps(fps: float | None, where: str = "") -> None:
    """Raises SettingsError unless the frame rate is None or supported by video players.

    Args:
        fps: frames per second.
        where: path of the store that contains the frame rate; "" if it was set with --fps.
    """
    if fps is not None and not _MIN_FPS <= fps <= _MAX_FPS:
        got = f"but {where} has {fps:g}; set a supported rate with --fps" if where else f"got {fps:g}"
        raise SettingsError(f"--fps must be between {_MIN_FPS:g} and {_MAX_FPS:g} frames per second, {got}")


def encode_video(pixels: Iterable[Pixels], fps: float, encoding: str) -> bytes:
    """Encodes a clip as an MP4 file.

    Args:
        pixels: at least one frame, (H, W, 3) uint8 RGB each.
        fps: frames per second.
        encoding: "h264" is high-quality H.264. If both sides are even, colours have half the resolution,
            which every player supports; otherwise, they have full resolution. "lossless" is H.264 with exact
            RGB values, which FFmpeg, VLC and PyTorch's decoders read, but browsers do not.
    """
    frames = iter(pixels)
    first = next(frames)
    height, width = first.shape[:2]
    even = height % 2 == 0 and width % 2 == 0
    codec, layout, options = ("libx264", "yuv420p" if even else "yuv444p", _QUALITY)
    if encoding == LOSSLESS:
        codec, layout, options = "libx264rgb", "rgb24", {"qp": "0", "preset": "medium"}
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: VideoStream = container.add_stream(  # type: ignore[assignment]
            codec, rate=Fraction(fps).limit_denominator(10_000), options=dict(options)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, layout
        for picture in itertools.chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def encode_png(picture: Pixels) -> bytes:
    """Encodes an image (H, W, 3) uint8 RGB as a PNG file."""
    context = av.CodecContext.create("png", "w")
    context.height, context.width = picture.shape[:2]
    context.pix_fmt, context.time_base = "rgb24", Fraction(1, 1)
    packets = context.encode(av.VideoFrame.from_ndarray(picture, "rgb24")) + context.encode(None)
    return b"".join(bytes(packet) for packet in packets)
