"""Decoding one clip of one video file: decord where it can, PyAV for everything else.

Runs in worker processes only, and imports neither torch nor anything that does.

Both decoders are read from the first frame on, without seeking: decord's random access returns other
frames than those asked for on MPEG-4 AVI files (UCF101 is made of them), by up to 60 grey values in
the mean. Both scale with the same library (swscale, bilinear with a filter as wide as the reduction,
so it does not alias) and differ by a fraction of a grey value.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from dfs_store.errors import DecodeError
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.videos.decode.frame_folder import pictures_of, read_picture
from dfs_store.videos.decode.sampling import Sampling, centre_crop_offsets, resized_shape

__all__ = ["DecodedClip", "FramePicker", "decode_clip"]

Pixels = npt.NDArray[np.uint8]
FramePicker = Callable[[int, float], npt.NDArray[np.int64]]
"""Takes a video's length in frames and its frames per second; gives (V, T) frame numbers."""

_DEFAULT_FPS = 25.0
_WHOLE_SHARE = 0.95  # of what the header says; sound may last a little longer than the pictures
_MAX_FPS = 1000.0  # beyond this a container's rate is a mistake
# What a video may lie in. FFmpeg goes by a file's content, and some of the formats it knows are lists of
# other files and addresses, which it would open: a "video" could show any file, or call a server.
_CONTAINERS = (
    "avi", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "flv", "mpegts", "mpeg", "mpegvideo", "m4v", "h264",
    "hevc", "ogg", "asf", "ivf",
)  # fmt: skip
_OPEN_OPTIONS = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file"}
_PLAYLISTS = (b"#EXTM3U", b"ffconcat")
_MAX_LONG_SIDE_RATIO = 32  # a frame of 1 x 4000 pixels would be scaled to gigabytes


class _Probe(NamedTuple):
    """What the first frame and the stream's header tell."""

    width: int
    height: int
    quarter_turns: int  # counter-clockwise, to be applied to the decoded frame
    fps: float


@dataclass(frozen=True)
class DecodedClip:
    """All views of one clip.

    Attributes:
        pixels: (V, T, H, W, 3) uint8, RGB.
        frames: (V, T) int64 frame numbers.
        fps: frames per second of the video.
        decoder: "decord" or "pyav", "pictures" for a folder of them.
        note: what was unusual about the file, or "".
    """

    pixels: Pixels
    frames: npt.NDArray[np.int64]
    fps: float
    decoder: str
    note: str = ""


def decode_clip(
    path: str, sampling: Sampling, pick: FramePicker, *, decoders: Sequence[str] = ("decord", "pyav")
) -> DecodedClip:
    """Decodes the frames that `pick` asks for, scaled and cropped.

    A file that is cut short is used as far as it decodes: the frames are picked anew from what is
    there, and the note says so. Rotation metadata is applied.

    Args:
        path: the video file, or a folder of pictures, one per frame.
        sampling: size and way of resizing.
        pick: see `FramePicker`.
        decoders: which to try, in this order.

    Raises:
        DecodeError: no decoder gets a single frame out of the file.
        MemoryError: it takes more memory than this process may have.
    """
    try:
        if os.path.isdir(path):
            return _decode_pictures(path, sampling, pick)
        probe = _probe(path)
        for number, decoder in enumerate(decoders):
            try:
                return _DECODERS[decoder](path, sampling, pick, probe)
            except DecodeError:
                if number == len(decoders) - 1:
                    raise
        raise DecodeError(f"{path}: no decoder to try")
    except DecodeError:
        raise
    except (FFmpegError, OSError) as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(_reason(error)) from error
        raise DecodeError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _probe(path: str) -> _Probe:
    if problem := pointer_problem(path):
        raise DecodeError(f"{path}: {problem}")
    _check_no_playlist(path)
    with _open(path) as container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise DecodeError(f"{path}: the file has no video stream")
        fps = _frames_per_second(stream)
        for frame in _frames(container, stream):
            turns = round(frame.rotation / 90) % 4
            return _checked_probe(path, _Probe(frame.width, frame.height, turns, fps))
    raise DecodeError(f"{path}: no frame can be decoded")


def _checked_probe(path: str, probe: _Probe) -> _Probe:
    sides = probe.width, probe.height
    if max(sides) > _MAX_LONG_SIDE_RATIO * min(sides):
        raise DecodeError(f"{path}: frames of {probe.width} x {probe.height} pixels are no picture")
    return probe


def _open(path: str) -> InputContainer:
    try:
        try:
            # Titles and comments in odd encodings are no reason to give a video up.
            return av.open(path, options=dict(_OPEN_OPTIONS), metadata_errors="replace")
        except TypeError:  # PyAV 19 took the option away
            return av.open(path, options=dict(_OPEN_OPTIONS))
    except FFmpegError as error:
        if error.errno != errno.EINVAL:
            raise
        known = ", ".join(name.split(",")[0] for name in _CONTAINERS)
        raise DecodeError(f"{path}: its content is in none of the formats {known}") from error


def _check_no_playlist(path: str) -> None:
    """Refuses lists of files by their first bytes: decord cannot be told which formats it may open."""
    with open(path, "rb") as file:
        start = file.read(64)
    if start.lstrip().startswith(_PLAYLISTS):
        raise DecodeError(f"{path}: is a list of other files, not a video")


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yields the frames that decode, passing over packets that are damaged."""
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except InvalidDataError:
            continue
        for frame in decoded:
            assert isinstance(frame, VideoFrame)
            yield frame


def _frames_per_second(stream: Any) -> float:  # noqa: ANN401 - PyAV's stubs differ between releases
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _MAX_FPS:
            return float(rate)
    return _DEFAULT_FPS


def _decode_pictures(path: str, sampling: Sampling, pick: FramePicker) -> DecodedClip:
    """Reads the pictures that are needed, which must be of one size."""
    pictures = pictures_of(path)
    if not pictures:
        raise DecodeError(f"{path}: there is no PNG or JPEG picture in the folder")
    numbers = pick(len(pictures), _DEFAULT_FPS)
    found: dict[int, Pixels] = {}
    first: _Probe | None = None
    for number in np.unique(numbers).tolist():
        try:
            frame = read_picture(pictures[number])
        except DecodeError as error:
            raise DecodeError(f"{path}: {error}") from error
        size = frame.width, frame.height
        first = first or _checked_probe(path, _Probe(*size, 0, _DEFAULT_FPS))
        if size != first[:2]:
            raise DecodeError(
                f"{path}: pictures of one clip must have one size, got {first.width} x {first.height} and "
                f"{size[0]} x {size[1]} pixels ({pictures[number].name})"
            )
        found[number] = _scale(frame, sampling, first)
    return DecodedClip(_arrange(found, numbers), numbers, _DEFAULT_FPS, "pictures")


def _decode_with_pyav(path: str, sampling: Sampling, pick: FramePicker, probe: _Probe) -> DecodedClip:
    """Counts the packets, decodes up to the last frame needed, and recounts if frames are missing."""
    packets = _read_packets(path)
    length = packets.number
    while True:
        numbers = pick(length, probe.fps)
        found, decoded = _read_with_pyav(path, sampling, set(numbers.ravel().tolist()), probe)
        if len(found) == np.unique(numbers).size:
            break
        if decoded == 0 or decoded >= length:
            raise DecodeError(f"{path}: no frame can be decoded")
        length = decoded
    few = f"only {length} of {packets.number} frames can be decoded" if length < packets.number else ""
    return DecodedClip(_arrange(found, numbers), numbers, probe.fps, "pyav", few or packets.note)


class _Packets(NamedTuple):
    """What reading a file without decoding it tells (headers often lie about the number of frames)."""

    number: int  # of packets with a frame in them
    note: str  # says so if the file ends before its header says it should


def _read_packets(path: str) -> _Packets:
    number, times = 0, []
    with _open(path) as container:
        stream = container.streams.best("video")
        assert isinstance(stream, VideoStream)
        try:
            for packet in container.demux(stream):
                number += packet.size > 0
                if packet.dts is not None:
                    times.append(packet.dts)
        except FFmpegError:
            pass  # a damaged tail: what came before it counts
        span_seconds = float((times[-1] - times[0]) * (stream.time_base or 0)) if times else 0.0
        if stream.frames > 0:
            # An AVI file counts the frames that it drops and that keep their place in time.
            places = round(span_seconds * _frames_per_second(stream)) + 1
            note = _cut_short(max(number, places), stream.frames, "frames")
        else:
            seconds = (container.duration or 0) / av.time_base
            note = _cut_short(round(span_seconds, 1), round(seconds, 1), "seconds") if number > 1 else ""
    return _Packets(max(number, 1), note)


def _cut_short(there: float, promised: float, unit: str) -> str:
    return f"cut short: {there} of {promised} {unit} are there" if there < promised * _WHOLE_SHARE else ""


def _read_with_pyav(
    path: str, sampling: Sampling, wanted: set[int], probe: _Probe
) -> tuple[dict[int, Pixels], int]:
    """Returns the wanted frames that decode, and how many frames decoded on the way to the last."""
    last = max(wanted)
    found: dict[int, Pixels] = {}
    number = -1
    with _open(path) as container:
        stream = container.streams.best("video")
        assert isinstance(stream, VideoStream)
        stream.codec_context.thread_count = 1  # the workers already use every core
        try:
            for number, frame in enumerate(_frames(container, stream)):
                if number in wanted:
                    found[number] = _scale(frame, sampling, probe)
                if number == last:
                    break
        except FFmpegError:
            pass  # the file ends in the middle of a packet: what came before it counts
    return found, number + 1


def _scale(frame: VideoFrame, sampling: Sampling, probe: _Probe) -> Pixels:
    turned = probe.quarter_turns % 2 == 1
    upright = (frame.height, frame.width) if turned else (frame.width, frame.height)
    width, height = resized_shape(sampling, *upright)
    scaled = frame.reformat(
        width=height if turned else width,
        height=width if turned else height,
        format="rgb24",
        interpolation=Interpolation.BILINEAR,
        threads=1,
    ).to_ndarray()
    return _crop(np.rot90(scaled, probe.quarter_turns), sampling.size)


def _crop(frame: Pixels, size: int) -> Pixels:
    left, top = centre_crop_offsets(frame.shape[1], frame.shape[0], size)
    return np.ascontiguousarray(frame[top : top + size, left : left + size])


def _arrange(found: dict[int, Pixels], numbers: npt.NDArray[np.int64]) -> Pixels:
    return np.stack([np.stack([found[int(number)] for number in view]) for view in numbers])


@cache
def _load_decord() -> Any | None:  # noqa: ANN401 - an untyped module
    """Returns decord, silenced, or None where it is not installed or does not load."""
    try:
        import decord  # absent on ARM and macOS
    except (ImportError, OSError, RuntimeError):
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _decode_with_decord(path: str, sampling: Sampling, pick: FramePicker, probe: _Probe) -> DecodedClip:
    decord = _load_decord()
    if decord is None:
        raise DecodeError(f"{path}: decord is not installed")
    if probe.quarter_turns:
        raise DecodeError(f"{path}: decord gives wrong pixels for rotated videos")
    width, height = resized_shape(sampling, probe.width, probe.height)
    found: dict[int, Pixels] = {}
    try:
        reader = decord.VideoReader(path, width=width, height=height, num_threads=1)
        length = len(reader)
        numbers = pick(length, probe.fps)
        wanted = set(numbers.ravel().tolist())
        for number in range(max(wanted) + 1):
            frame = reader.next()
            if number in wanted:
                picture = frame.asnumpy()
                if picture.shape != (height, width, 3):  # it trips over padded rows at widths under 64
                    raise DecodeError(f"{path}: decord gives pixels of shape {picture.shape}")
                found[number] = _crop(picture, sampling.size)
    except (decord.DECORDError, StopIteration, IndexError, RuntimeError, ValueError) as error:
        raise DecodeError(f"{path}: decord cannot read all of it") from error
    return DecodedClip(_arrange(found, numbers), numbers, probe.fps, "decord", _read_packets(path).note)


_DECODERS = {"decord": _decode_with_decord, "pyav": _decode_with_pyav}
