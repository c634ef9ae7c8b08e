"""Decodes videos with PyAV into the frames that FFmpeg shows.

Every file is decoded to its end, because there is no other way to count its frames: edit lists, hidden
frames, open GOPs and damage leave fewer frames than packets, and headers may be wrong. The frames to keep
are selected beforehand, from the number of packets that announce a frame. If that number turns out to be
wrong, the file is decoded again.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.container import Video, open_video
from dfs_store.videos.decode.damage import Arrival, missing_frames
from dfs_store.videos.decode.orientation import UPRIGHT, Orientation, of_frame
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.decode.scaling import Pixels, Scaler, arrange, shown_shape

__all__ = ["FramePicker", "NoFrameError", "Scan", "ShownFrames", "decode_with_pyav", "read_shown", "scan"]

FramePicker = Callable[[int, float], npt.NDArray[np.int64]]
"""Takes a video's number of frames and frames per second, and returns (V, T) frame numbers."""

_HELD_BYTES = 32 << 20  # limit for packets kept in memory; larger files are read twice


class NoFrameError(DecodeError):
    """Raised if a file can be opened, but the decoder cannot decode a single frame."""


@dataclass
class Scan:
    """Result of reading a file without decoding it.

    Attributes:
        claimed: number of packets that should yield a frame because they are neither empty nor hidden by an
            edit list.
        note: a description of missing frames, or "".
        packets: the packets that are not empty; None if they are too large to keep.
    """

    claimed: int
    note: str
    packets: "list[Packet[VideoStream]] | None"


@dataclass
class ShownFrames:
    """Result of decoding a file to its end.

    Attributes:
        found: the selected frames by number, scaled.
        length: number of frames.
        damaged: number of packets after the first key frame that could not be decoded.
        way_up: orientation of the frames.
        size: stored (width, height) of the first frame in pixels.
    """

    found: dict[int, Pixels] = field(default_factory=dict)
    length: int = 0
    damaged: int = 0
    way_up: Orientation = UPRIGHT
    size: tuple[int, int] = (0, 0)


def decode_with_pyav(
    path: str, sampling: Sampling, pick: FramePicker
) -> tuple[Pixels, npt.NDArray[np.int64], float, str]:
    """Returns pixels (V, T, H, W, 3) uint8, frame numbers (V, T), frames per second, and a note or "".

    Raises:
        NoFrameError: no frame can be decoded.
        DecodeError: the file cannot be opened, or its frames have an unsupported rotation or shape.
    """
    with open_video(path) as video:
        fps, scanned = video.fps, scan(video)
        numbers = pick(max(scanned.claimed, 1), fps)
        reading = read_shown(path, video, scanned, sampling, set(numbers.ravel().tolist()))
    if reading.length == 0:
        why = f" ({scanned.note})" if scanned.note else ""
        raise NoFrameError(f"{path}: no frame can be decoded{why}")
    if reading.length != scanned.claimed:
        numbers = pick(reading.length, fps)
        wanted = set(numbers.ravel().tolist())
        if not wanted <= reading.found.keys():
            with open_video(path) as video:
                reading.found = _read(path, video, _packets(video), sampling, wanted, max(wanted)).found
    damage = f"{reading.damaged} of {scanned.claimed} frames could not be decoded" if reading.damaged else ""
    return arrange(reading.found, numbers), numbers, fps, scanned.note or damage


def scan(video: Video) -> Scan:
    """Reads all packets of a video, and keeps them if they are small enough."""
    arrived, claimed, held_bytes = Arrival(), 0, 0
    packets: list[Packet[VideoStream]] | None = []
    for packet in _packets(video, arrived):
        claimed += not packet.is_discard
        held_bytes += packet.size
        if held_bytes > _HELD_BYTES:
            packets = None
        if packets is not None:
            packets.append(packet)
    return Scan(claimed, missing_frames(video.container, video.stream, video.fps, arrived), packets)


def read_shown(path: str, video: Video, scanned: Scan, sampling: Sampling, wanted: set[int]) -> ShownFrames:
    """Decodes a scanned video to its end and returns the `wanted` frames.

    Raises:
        DecodeError: the frames have an unsupported rotation or shape.
    """
    if scanned.packets is not None:
        return _read(path, video, scanned.packets, sampling, wanted)
    with open_video(path) as again:
        return _read(path, again, _packets(again), sampling, wanted)


def _packets(video: Video, arrived: Arrival | None = None) -> "Iterator[Packet[VideoStream]]":
    """Yields the packets that are not empty, up to the first error, as FFmpeg does."""
    arrived = arrived or Arrival()
    try:
        for packet in video.container.demux(video.stream):
            if packet.size or packet.pts is not None:  # the last packet has neither: it flushes the decoder
                arrived.add(packet)
            if packet.size:
                yield packet
    except FFmpegError as error:
        _raise_if_memory(error)


def _read(
    path: str,
    video: Video,
    packets: "Iterable[Packet[VideoStream]]",
    sampling: Sampling,
    wanted: set[int],
    last: int | None = None,
) -> ShownFrames:
    reading = ShownFrames()
    scaler: Scaler | None = None
    try:
        for frame in _frames(video, packets, reading):
            if scaler is None:
                reading.way_up, reading.size = _way_up(frame), (frame.width, frame.height)
                shown_shape(*reading.size, video.pixel_aspect, reading.way_up)
                scaler = Scaler(sampling, video.pixel_aspect, reading.way_up)
            if reading.length in wanted:
                reading.found[reading.length] = scaler(frame)
            reading.length += 1
            if reading.length - 1 == last:
                break
    except DecodeError as error:
        raise DecodeError(f"{path}: {error}") from error
    return reading


def _frames(
    video: Video, packets: "Iterable[Packet[VideoStream]]", reading: ShownFrames
) -> Iterator[VideoFrame]:
    """Yields the decoded frames and skips damaged packets."""
    context = video.stream.codec_context
    begun = False
    for packet in packets:
        begun = begun or packet.is_keyframe
        try:
            yield from context.decode(packet)
        except FFmpegError as error:
            _raise_if_memory(error)
            # Packets before the first key frame refer to missing frames (recordings of broadcasts).
            reading.damaged += begun and not packet.is_discard
    try:
        yield from context.decode(None)
    except FFmpegError as error:
        _raise_if_memory(error)


def _way_up(frame: VideoFrame) -> Orientation:
    way_up = of_frame(frame)
    if way_up is None:
        raise DecodeError(
            f"its metadata rotates the frames by {frame.rotation} degrees, but only multiples of 90 are "
            "supported; rotate the pixels themselves with ffmpeg -i IN OUT"
        )
    return way_up


def _raise_if_memory(error: FFmpegError) -> None:
    if error.errno == errno.ENOMEM:
        raise error
