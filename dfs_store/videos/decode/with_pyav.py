"""Decoding with PyAV: the frames that FFmpeg shows, all of them counted.

Every file is decoded to its end, because nothing else says how many frames it shows: edit lists and hidden
pictures, open GOPs and damage make them fewer than its packets, and headers lie. The frames to keep are
picked beforehand, by the number of packets that claim a frame. If that number was wrong, the file is decoded
again.
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

__all__ = ["FramePicker", "NoFrameError", "Reading", "Scan", "decode_with_pyav", "read_shown", "scan"]

FramePicker = Callable[[int, float], npt.NDArray[np.int64]]
"""Takes a video's length in frames and its frames per second; gives (V, T) frame numbers."""

_HELD_BYTES = 32 << 20  # of packets; a longer file is read twice


class NoFrameError(DecodeError):
    """The file opens, and this decoder gets no frame out of it."""


@dataclass
class Scan:
    """What reading a file without decoding it tells.

    Attributes:
        claimed: packets that claim a frame: not empty, not hidden by an edit list.
        note: says so if the file ends before it should.
        packets: all that hold something, None if they are too many to keep.
    """

    claimed: int
    note: str
    packets: "list[Packet[VideoStream]] | None"


@dataclass
class Reading:
    """What decoding a file to its end gives.

    Attributes:
        found: the wanted frames, scaled.
        length: number of frames.
        damaged: packets that could not be decoded, after the first that can be decoded by itself.
        way_up: how the frames are shown.
        size: (width, height) of the first frame in pixels, as stored.
    """

    found: dict[int, Pixels] = field(default_factory=dict)
    length: int = 0
    damaged: int = 0
    way_up: Orientation = UPRIGHT
    size: tuple[int, int] = (0, 0)


def decode_with_pyav(
    path: str, sampling: Sampling, pick: FramePicker
) -> tuple[Pixels, npt.NDArray[np.int64], float, str]:
    """Returns pixels (V, T, H, W, 3), frame numbers (V, T), frames per second, and a note or "".

    Raises:
        NoFrameError: not a single frame can be decoded.
        DecodeError: see `open_video`, or the frames cannot be shown.
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
    hurt = f"{reading.damaged} of {scanned.claimed} frames are damaged" if reading.damaged else ""
    return arrange(reading.found, numbers), numbers, fps, scanned.note or hurt


def scan(video: Video) -> Scan:
    """Reads a video's packets to the end, and keeps them if they are few."""
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


def read_shown(path: str, video: Video, scanned: Scan, sampling: Sampling, wanted: set[int]) -> Reading:
    """Decodes a scanned video to its end and returns the wanted ones of its frames.

    Raises:
        DecodeError: its frames cannot be shown.
    """
    if scanned.packets is not None:
        return _read(path, video, scanned.packets, sampling, wanted)
    with open_video(path) as again:
        return _read(path, again, _packets(again), sampling, wanted)


def _packets(video: Video, arrived: Arrival | None = None) -> "Iterator[Packet[VideoStream]]":
    """Yields the packets that hold something; an error ends them, as it does for FFmpeg."""
    arrived = arrived or Arrival()
    try:
        for packet in video.container.demux(video.stream):
            if packet.size or packet.pts is not None:  # the last one has neither: it flushes
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
) -> Reading:
    """Decodes as far as frame `last`, or to the end."""
    reading = Reading()
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


def _frames(video: Video, packets: "Iterable[Packet[VideoStream]]", reading: Reading) -> Iterator[VideoFrame]:
    """Yields the frames that decode, passing over packets that are damaged."""
    context = video.stream.codec_context
    begun = False
    for packet in packets:
        begun = begun or packet.is_keyframe
        try:
            yield from context.decode(packet)
        except FFmpegError as error:
            _raise_if_memory(error)
            # Before the first key frame, of a broadcast joined midway, they lack what they refer to.
            reading.damaged += begun and not packet.is_discard
    try:
        yield from context.decode(None)
    except FFmpegError as error:
        _raise_if_memory(error)


def _way_up(frame: VideoFrame) -> Orientation:
    way_up = of_frame(frame)
    if way_up is None:
        raise DecodeError(
            f"it is to be shown turned by {frame.rotation} degrees, and only quarter turns can be applied: "
            "turn its pixels (ffmpeg -i IN OUT does)"
        )
    return way_up


def _raise_if_memory(error: FFmpegError) -> None:
    if error.errno == errno.ENOMEM:
        raise error
