"""Opens video files and selects the stream that FFmpeg would show."""

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from dfs_store.errors import DecodeError
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.videos.decode.damage import reason_in_words

__all__ = ["DEFAULT_FPS", "Video", "open_video"]

DEFAULT_FPS = 25.0
_MAX_FPS = 1000.0  # a higher rate in a container is a mistake
# The container formats that may be opened. FFmpeg detects the format from a file's content, and some formats
# are lists of other files and URLs, so without this list, a "video" could read any file or contact a server.
_CONTAINERS = (
    "avi", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "flv", "mpegts", "mpeg", "mpegvideo", "m4v", "h264",
    "hevc", "vvc", "av1", "obu", "vc1", "ogg", "asf", "ivf", "gif", "apng", "yuv4mpegpipe", "mxf", "nut",
    "rm", "dv", "wtv", "mjpeg", "jpeg_pipe",  # the last two are both sequences of JPEG images
)  # fmt: skip
_OPEN_OPTIONS = {
    "format_whitelist": ",".join(_CONTAINERS),
    "protocol_whitelist": "file",
    "scan_all_pmts": "1",  # as the ffmpeg command does
}
_PLAYLISTS = (b"#EXTM3U", b"ffconcat")
_DEFAULT_BONUS, _PACKETS_BONUS = 5_000_000, 100_000_000  # pixels, in FFmpeg's choice of a stream
_PROBE_BYTES = 5_000_000  # FFmpeg itself probes this many bytes


@dataclass(frozen=True)
class Video:
    """An open video file and its selected stream.

    Attributes:
        container: the open file.
        stream: the stream that `ffmpeg -i FILE out` selects.
        fps: frames per second of the stream.
        pixel_aspect: width of a pixel divided by its height.
    """

    container: InputContainer
    stream: VideoStream
    fps: float
    pixel_aspect: Fraction


@contextlib.contextmanager
def open_video(path: str) -> Iterator[Video]:
    """Opens a video file.

    Raises:
        DecodeError: the file is not a video, is a list of other files, or has no stream that can be decoded.
        OSError: the file cannot be read.
    """
    if problem := pointer_problem(path):
        raise DecodeError(f"{path}: it {problem}")
    _check_no_playlist(path)
    with _open(path) as container:
        stream = _shown_stream(path, container)
        if stream.codec_context is None:
            raise DecodeError(f"{path}: FFmpeg has no decoder for its codec")
        stream.codec_context.thread_count = 1  # the workers already use every core
        yield Video(container, stream, _frames_per_second(stream), _pixel_aspect(stream))


def _open(path: str) -> InputContainer:
    try:
        try:
            # A title or comment in an unknown encoding must not make the video unreadable.
            return av.open(path, options=dict(_OPEN_OPTIONS), metadata_errors="replace")
        except TypeError:  # PyAV 19 removed the option
            return av.open(path, options=dict(_OPEN_OPTIONS))
    except FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise
        if error.errno != errno.EINVAL:
            raise DecodeError(f"{path}: {reason_in_words(path, error)}") from error
        known = ", ".join(name.split(",")[0] for name in _CONTAINERS)
        raise DecodeError(f"{path}: its format is not supported; supported formats: {known}") from error


def _check_no_playlist(path: str) -> None:
    """Rejects playlists by their first bytes, because decord has no list of allowed formats."""
    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        raise DecodeError(f"{path}: the file is empty")
    if start.lstrip().startswith(_PLAYLISTS):
        raise DecodeError(f"{path}: the file is a list of other files, not a video")


def _shown_stream(path: str, container: InputContainer) -> VideoStream:
    """Returns the stream that ffmpeg selects: the one with the most pixels, with a bonus for the default one.

    Streams without packets are selected only as a last resort. Attached pictures (cover art) are never
    selected.
    """
    streams = [stream for stream in container.streams if isinstance(stream, VideoStream)]
    films = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    if not films:
        only = ", only an attached picture" if streams else ""
        raise DecodeError(f"{path}: the file has no video stream{only}")
    if len(films) == 1:
        return films[0]
    filled = _with_packets(path, {film.index for film in films})

    def score(stream: VideoStream) -> int:
        context = stream.codec_context
        pixels = context.width * context.height if context is not None else 0
        default = bool(stream.disposition & Disposition.default)
        return pixels + _PACKETS_BONUS * (stream.index in filled) + _DEFAULT_BONUS * default

    return max(films, key=score)  # the first one if several are equal


def _with_packets(path: str, numbers: set[int]) -> set[int]:
    """Returns the numbers of the streams that have packets near the start of the file."""
    found: set[int] = set()
    read_bytes = 0
    with _open(path) as container, contextlib.suppress(FFmpegError):
        for packet in container.demux(*(container.streams[number] for number in numbers)):
            read_bytes += packet.size
            if packet.size:
                found.add(packet.stream_index)
            if found == numbers or read_bytes > _PROBE_BYTES:
                break
    return found


def _frames_per_second(stream: VideoStream) -> float:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _MAX_FPS:
            return float(rate)
    return DEFAULT_FPS


def _pixel_aspect(stream: VideoStream) -> Fraction:
    ratio = stream.sample_aspect_ratio
    return ratio if ratio and ratio > 0 else Fraction(1)
