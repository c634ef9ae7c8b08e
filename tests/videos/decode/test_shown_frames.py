"""The frames of a file are those of the ffmpeg command, whatever the container states."""

import importlib.util
import multiprocessing
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.decoding import decode_clip
from dfs_store.videos.decode.sampling import Sampling

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
needs_decord = pytest.mark.skipif(
    importlib.util.find_spec("decord") is None, reason="decord does not install here"
)

WHOLE = Sampling(frames=2, stride=1, size=16, resize="direct")
LARGER = Sampling(frames=2, stride=1, size=64, resize="direct")
FRAMES, STEP = 50, 4
GREY = ("-pix_fmt", "yuv420p")
ENCODERS = {
    "libx264": ("-qp", "1", "-g", "12", *GREY),
    "libx265": ("-x265-params", "qp=2:keyint=12:log-level=error:pools=1", *GREY),
    "mpeg4": ("-q:v", "1", "-g", "12", *GREY),
    "mpeg2video": ("-q:v", "1", "-g", "12", *GREY),
    "libvpx": ("-b:v", "1M", "-auto-alt-ref", "1", "-lag-in-frames", "20", "-deadline", "realtime", *GREY),
    "libvpx-vp9": ("-b:v", "1M", "-auto-alt-ref", "1", "-lag-in-frames", "20", "-cpu-used", "8", *GREY),
    "mjpeg": ("-q:v", "1", "-pix_fmt", "yuvj420p"),
}
CONTAINERS = {
    "libx264": ("mp4", "mov", "mkv", "ts", "flv", "nut"),
    "libx265": ("mp4", "mov", "mkv"),
    "mpeg4": ("mp4", "avi", "mkv"),
    "mpeg2video": ("ts", "mpg", "vob", "mxf", "mkv"),
    "libvpx": ("webm", "mkv"),
    "libvpx-vp9": ("webm", "mp4"),
    "mjpeg": ("avi", "mov", "mkv"),
}
# ffmpeg does not cut MXF, and FFmpeg 5 shows the MJPEG frames that an edit list hides.
NEVER_CUT = ("mxf", "mjpeg")


def ffmpeg(*arguments, **how):
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], capture_output=True, **how)
    if done.returncode:
        pytest.skip(f"this ffmpeg does not make {arguments[-1]}: {done.stderr.decode()[-200:]}")
    return done.stdout


def write_greys(path, options, *, rate="25", size=(64, 48), frames=FRAMES):
    """Writes a video in which frame n is a grey of value 16 + 4n."""
    pixels = b"".join(bytes([16 + STEP * n]) * (size[0] * size[1] * 3) for n in range(frames))
    shape = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", rate)
    ffmpeg(*shape, "-i", "-", *options, str(path), input=pixels)
    return path


def shown(path):
    """Returns the frames that the ffmpeg command shows, (N, 16, 16, 3)."""
    raw = ffmpeg(
        "-i", str(path), "-vf", "scale=16:16", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt",
        "rgb24", "-",
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, 16, 16, 3).astype(int)


def decoded(path, decoder="pyav", sampling=WHOLE):
    def pick(length, fps):
        return np.arange(length)[None]

    clip = decode_clip(str(path), sampling, pick, decoders=(decoder,))
    return clip.pixels[0].astype(int), clip.note


def assert_shown(path):
    expected = shown(path)
    if not len(expected):  # the edit list hides all frames
        with pytest.raises(DecodeError, match="no frame can be decoded"):
            decoded(path)
        return
    frames, remark = decoded(path)
    numbers = [((each.mean((1, 2, 3)) - 16) / STEP).round().tolist() for each in (frames, expected)]
    assert len(frames) == len(expected), f"{path.name}: {numbers[0]}, but ffmpeg shows {numbers[1]}"
    assert np.abs(frames.mean((1, 2, 3)) - expected.mean((1, 2, 3))).max() < STEP / 2
    assert remark == ""


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@cache
def greys_of(folder, codec, b_frames, rate, container):
    options = ["-c:v", codec, *ENCODERS[codec]]
    if codec in ("libx264", "mpeg4", "mpeg2video"):
        options += ["-bf", str(b_frames)]
    if codec == "libx264" and b_frames == 2:
        options += ["-x264-params", "open-gop=1"]
    stem = f"{codec}-{b_frames}-{rate.replace('/', '_')}"
    return write_greys(folder / f"{stem}.{container}", options, rate=rate)


@st.composite
def films(draw):
    codec = draw(st.sampled_from(sorted(ENCODERS)))
    return {
        "codec": codec,
        "container": draw(st.sampled_from(CONTAINERS[codec])),
        "b_frames": draw(st.sampled_from([0, 2, 3])),
        "rate": draw(st.sampled_from(["25", "30000/1001"])),
        "cut": draw(st.sampled_from(["none", "begin", "both", "sound"])),
        "start": draw(st.integers(1, 45)),
    }


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(film=films())
def test_the_frames_are_those_shown_by_ffmpeg(folder, film):
    try:
        path = greys_of(folder, film["codec"], film["b_frames"], film["rate"], film["container"])
        if film["cut"] != "none" and not {film["container"], film["codec"]}.intersection(NEVER_CUT):
            path = cut_of(path, film["cut"], film["start"])
    except pytest.skip.Exception:  # would skip all other examples
        assume(False)
    assert_shown(path)


def cut_of(path, how, start):
    """Cuts without re-encoding, as phones and `ffmpeg -ss T -c copy` do."""
    cut = path.with_name(f"cut{path.suffix}")
    length = ("-t", "0.6") if how == "both" else ()
    sound = ("-f", "lavfi", "-i", "sine=d=3") if how == "sound" and cut.suffix == ".mp4" else ()
    ffmpeg("-ss", str(start / 25), *length, "-i", str(path), *sound, "-c:v", "copy", str(cut))
    return cut


@pytest.mark.parametrize("share", [0.25, 0.4, 0.7])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-c:v", "libx264", *ENCODERS["libx264"]), id="closed"),
        pytest.param(("-c:v", "libx264", *ENCODERS["libx264"], "-x264-params", "open-gop=1"), id="open"),
        pytest.param(("-c:v", "mpeg2video", *ENCODERS["mpeg2video"], "-bf", "2"), id="mpeg2"),
    ],
)
def test_a_broadcast_recorded_from_the_middle(tmp_path, options, share):
    path = write_greys(tmp_path / "whole.ts", options)
    data = path.read_bytes()
    path.write_bytes(data[-(int(len(data) * share) // 188 * 188) :])
    assert_shown(path)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "nut"])
@pytest.mark.parametrize("order", ["sl", "ls"])
@pytest.mark.parametrize("default", ["", "10", "01"])
def test_length_size_and_pixels_are_from_the_same_stream(tmp_path, container, order, default):
    options = ("-c:v", "libx264", *ENCODERS["libx264"])
    made = {
        "s": write_greys(tmp_path / "s.mp4", options, frames=30),
        "l": write_greys(tmp_path / "l.mp4", options, frames=12, size=(96, 64)),
    }
    dispositions = [
        word
        for number, digit in enumerate(default)
        for word in (f"-disposition:v:{number}", "default" if digit == "1" else "0")
    ]
    path = tmp_path / f"both.{container}"
    ffmpeg(
        "-i", str(made[order[0]]), "-i", str(made[order[1]]), "-map", "0:v", "-map", "1:v", "-c", "copy",
        *dispositions, str(path),
    )  # fmt: skip
    assert_shown(path)


def test_cover_art_is_never_the_video(tmp_path):
    film = write_greys(tmp_path / "film.mp4", ("-c:v", "libx264", *ENCODERS["libx264"]), frames=9)
    ffmpeg("-f", "lavfi", "-i", "color=red:s=640x480", "-frames:v", "1", str(tmp_path / "cover.png"))
    path, alone = tmp_path / "covered.mp4", tmp_path / "alone.mp4"
    cover = ("-i", str(tmp_path / "cover.png"))
    picture = ("-c", "copy", "-disposition:v:0", "attached_pic")
    ffmpeg(*cover, "-i", str(film), "-map", "0", "-map", "1", *picture, str(path))
    assert_shown(path)
    ffmpeg(*cover, "-f", "lavfi", "-i", "sine=d=1", "-map", "0", "-map", "1", "-c:a", "aac", *picture[2:],
           "-c:v", "copy", str(alone))  # fmt: skip
    with pytest.raises(DecodeError, match="no video stream, only an attached picture"):
        decoded(alone)


@pytest.mark.skipif(
    not hasattr(VideoStream, "set_display_rotation"), reason="this PyAV does not write display matrices"
)
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_rotated_and_mirrored_videos(tmp_path, degrees, flips, container):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:], picture[24:, :32] = 250, 160, 70
    path = tmp_path / f"turned.{container}"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees, hflip=flips[0], vflip=flips[1])
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode(None))
    assert np.abs(decoded(path)[0] - shown(path)).mean() < 6


@pytest.mark.parametrize("name", ["a.gif", "a.y4m", "a.asf", "a.mjpeg", "a.m2v", "a.rm", "a.ogv", "a.h264"])
def test_less_common_formats(tmp_path, name):
    options = {"a.rm": ("-c:v", "rv20"), "a.asf": ("-c:v", "wmv2", "-q:v", "1"), "a.gif": ()}
    usual = () if name == "a.ogv" else ("-q:v", "1")
    assert_shown(write_greys(tmp_path / name, options.get(name, (*usual, *GREY)), size=(176, 144)))


def test_image_sequences_that_ffmpeg_treats_as_single_images(tmp_path):
    path = tmp_path / "colours.mjpeg"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x120:r=25:d=1", str(path))
    assert_shown(path)


@needs_decord
def test_decord_gives_the_same_frames_or_refuses(tmp_path):
    whole = write_greys(tmp_path / "whole.mp4", ("-c:v", "libx264", *ENCODERS["libx264"]), size=(160, 120))
    cut = tmp_path / "cut.mp4"
    ffmpeg("-ss", "1.88", "-i", str(whole), "-c", "copy", str(cut))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as elsewhere:
        frames, _ = elsewhere.submit(decoded, whole, "decord", LARGER).result()
        with pytest.raises(DecodeError, match=r"decord counts \d+ frames, but FFmpeg counts 3"):
            elsewhere.submit(decoded, cut, "decord", LARGER).result()
        with pytest.raises(DecodeError, match="decord cannot scale frames to a width of 16 pixels"):
            elsewhere.submit(decoded, whole, "decord").result()
    assert np.abs(frames - decoded(whole, sampling=LARGER)[0]).mean() < 1


@pytest.mark.parametrize("name", ["long-sound.mkv", "subtitles.mkv", "short.webm", "cut.avi", "late.mkv"])
def test_an_intact_video_has_no_note(tmp_path, name):
    video = write_greys(tmp_path / "v.mp4", ("-c:v", "libx264", *ENCODERS["libx264"]))
    lines = tmp_path / "s.srt"
    lines.write_text("1\n00:00:00,500 --> 00:00:08,000\nhi\n")
    how = {
        "long-sound.mkv": ("-i", str(video), "-f", "lavfi", "-i", "sine=d=9", "-c:v", "copy"),
        "subtitles.mkv": ("-i", str(video), "-i", str(lines), "-c:v", "copy", "-c:s", "srt"),
        "short.webm": ("-i", str(video), "-frames:v", "12", "-c:v", "libvpx-vp9"),
        "cut.avi": ("-ss", "1.88", "-i", str(video), "-c", "copy"),
        "late.mkv": ("-itsoffset", "20", "-i", str(video), "-c", "copy"),
    }
    path = tmp_path / name
    ffmpeg(*how[name], str(path))
    assert_shown(path)


@pytest.mark.parametrize("name", ["v.mkv", "v.avi", "v.webm", "fragments.mp4", "index-first.mp4"])
def test_a_truncated_file_has_a_note(tmp_path, name):
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    flags = {"fragments.mp4": "frag_keyframe+empty_moov", "index-first.mp4": "faststart"}.get(name)
    path = write_greys(
        tmp_path / name,
        ("-c:v", codec, *ENCODERS[codec], *(("-movflags", flags) if flags else ())),
        size=(160, 120),
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    frames, remark = decoded(path)
    assert len(frames) == len(shown(path)) < FRAMES
    assert remark.startswith("truncated: ")
