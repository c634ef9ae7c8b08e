"""Creates tiny videos whose frame numbers can be read from their grey levels."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

GREY_STEP = 5
DATA = Path(__file__).parents[3] / "shared" / "data"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the real clips are not there ({DATA}); see ../shared/data/README.md"
)


def grey_frames(num_frames, width=48, height=36):
    """Returns frames (num_frames, height, width, 3) uint8, in which frame n is a grey of value 5n."""
    values = np.arange(num_frames, dtype=np.uint8) * GREY_STEP
    return np.broadcast_to(values[:, None, None, None], (num_frames, height, width, 3)).copy()


def make_video(path, frames=12, *, codec="mpeg4", fps=25, width=48, height=36, options=None):
    """Writes frames (a number of grey ones, or an array) to a video file and returns its path."""
    pixels = grey_frames(frames, width, height) if isinstance(frames, int) else frames
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if codec == "mpeg4":
            stream.bit_rate = 2_000_000
        for picture in pixels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        container.mux(stream.encode(None))
    return path


def motion_jpeg(path, width, height, frames=6):
    """Writes a small file with large black frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        picture = av.VideoFrame(width, height, "yuvj420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(frames):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def make_sound(path):
    """Writes a file with audio but no video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), dtype=np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn_clockwise(path):
    """Patches an MP4 file so that players show it turned by 90 degrees, as phones do."""
    data = bytearray(path.read_bytes())
    upright = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 0x40000000)
    place = data.find(upright, data.find(b"tkhd"))
    data[place : place + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 * 65536, 0, 0x40000000)
    path.write_bytes(data)
    return path


def make_folder(root, classes=("left", "right"), clips=3, **options):
    """Writes <class>/<clip>.avi for every class."""
    for name in classes:
        for number in range(clips):
            make_video(root / name / f"clip{number}.avi", **options)
    return root


def frame_of(picture):
    """Returns the frame number of a decoded grey image."""
    return round(float(np.mean(picture)) / GREY_STEP)
