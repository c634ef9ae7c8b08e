"""Describes which frames are missing from a video file, and why a file cannot be opened."""

import os
import re
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.error import InvalidDataError
from av.packet import Packet
from av.video.stream import VideoStream

__all__ = ["Arrival", "missing_frames", "reason_in_words"]

_WHOLE_SHARE = 0.95  # of the duration in the header, which some writers round up
_SPARE_FRAMES = 2  # tolerance for time stamps
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MAX_BOXES = 1000


@dataclass
class Arrival:
    """Counts the packets of a stream while the file is read to its end.

    Attributes:
        packets: number of packets, including hidden and empty ones.
        first: the earliest time stamp, in the stream's time base; None if no packet has one.
        end: the latest end of a packet, in the stream's time base.
    """

    packets: int = 0
    first: int | None = None
    end: int = 0

    def add(self, packet: "Packet[VideoStream]") -> None:
        """Counts one packet."""
        self.packets += 1
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return
        self.first = time if self.first is None else min(self.first, time)
        self.end = max(self.end, time + (packet.duration or 0))


def missing_frames(container: InputContainer, stream: VideoStream, fps: float, arrived: Arrival) -> str:
    """Returns a note if the stream has fewer frames than its header announces, otherwise "".

    Audio and subtitles are not considered, because they may be longer than the video.
    """
    seconds = float((arrived.end - (arrived.first or 0)) * (stream.time_base or 0))
    if container.format.name.startswith("mov,"):
        # The index lists only the frames that an edit list keeps, whereas the header counts all frames.
        return _too_few(arrived.packets, len(stream.index_entries))
    is_truncated = os.path.getsize(container.name) < _outer_bytes(container.name)
    if container.format.name == "avi":
        # The count in the header includes empty packets, so it is compared only if the file is truncated.
        return _too_few(max(arrived.packets, round(seconds * fps)), stream.frames if is_truncated else 0)
    if not container.format.name.startswith("matroska"):
        return ""  # other formats do not store the duration of each stream
    lasts = _own_seconds(stream)
    if lasts is None and is_truncated:
        lasts = (container.duration or 0) / av.time_base
    # Some writers store the duration of the stream, others its end time.
    seconds = max(seconds, float(arrived.end * (stream.time_base or 0)))
    if lasts is None or seconds + _SPARE_FRAMES / fps >= lasts * _WHOLE_SHARE:
        return ""
    return f"truncated: contains {seconds:.1f} of {lasts:.1f} seconds"


def _too_few(there: int, promised: int) -> str:
    return f"truncated: contains {there} of {promised} frames" if there < promised else ""


def _outer_bytes(path: str) -> int:
    """Returns the size in bytes stated in the header of an AVI, Matroska or WebM file, or 0 if none is."""
    with open(path, "rb") as file:
        start = file.read(64)
        place = 0
        for _ in range(_MAX_BOXES):
            if start[:4] != b"RIFF" or len(start) < 8:  # large AVI files consist of several RIFF chunks
                break
            place += 8 + int.from_bytes(start[4:8], "little")
            file.seek(place)
            start = file.read(8)
    if place or not start.startswith(_EBML):
        return place
    header_bytes, head = _ebml_size(start, len(_EBML))
    place = head + (header_bytes or 0)
    if start[place : place + 4] != _SEGMENT:
        return 0
    segment_bytes, place = _ebml_size(start, place + 4)
    return 0 if segment_bytes is None else place + segment_bytes


def _ebml_size(data: bytes, place: int) -> tuple[int | None, int]:
    """Returns the size of an element (None if unknown) and the offset of its content."""
    if place >= len(data) or data[place] == 0:
        return None, place
    length = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + length], "big") - (1 << 7 * length)
    return (None if value == (1 << 7 * length) - 1 else value), place + length


def _own_seconds(stream: VideoStream) -> float | None:
    """Returns the duration of a Matroska or WebM stream, or None if the file does not state it."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)\0*", stream.metadata.get("DURATION", ""))
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def reason_in_words(path: str, error: Exception) -> str:
    """Returns why a file cannot be opened, judging by its content."""
    if isinstance(error, InvalidDataError | EOFError):
        if os.path.getsize(path) == 0:
            return "the file is empty"
        if (boxes := _top_boxes(path)) and b"moov" not in boxes:
            return "it has no moov atom: the recording was not finished, or the file is truncated"
        return "it is not a video, or its header is damaged"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _top_boxes(path: str) -> set[bytes]:
    """Returns the types of the top-level boxes of an MP4 or MOV file; empty for other files."""
    found: set[bytes] = set()
    with open(path, "rb") as file:
        place = 0
        for _ in range(_MAX_BOXES):
            file.seek(place)
            head = file.read(16)
            if len(head) < 8:
                break
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if not found and kind not in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
                return found
            found.add(kind)
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # the box extends to the end of the file
                break
            place += size
    return found
