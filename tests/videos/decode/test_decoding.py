import importlib.util
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from dfs_store.errors import DecodeError
from dfs_store.videos.decode import with_pyav
from dfs_store.videos.decode.decoding import decode_clip
from dfs_store.videos.decode.sampling import Sampling, frame_numbers
from tests.videos.making import (
    DATA,
    frame_of,
    grey_frames,
    make_sound,
    make_video,
    motion_jpeg,
    needs_data,
    turn_clockwise,
)

SMALL = Sampling(frames=4, stride=2, size=64, resize="direct")
HAS_DECORD = importlib.util.find_spec("decord") is not None
needs_decord = pytest.mark.skipif(not HAS_DECORD, reason="decord does not install here")


needs_display_rotation = pytest.mark.skipif(
    not hasattr(VideoStream, "set_display_rotation"), reason="this PyAV does not write display matrices"
)


@pytest.fixture(scope="module")
def elsewhere():
    """Runs a process without torch, since decord and torch must not be in the same process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def pick_first(length, fps):
    return frame_numbers(SMALL, length, fps, seed=0, split="test", file="x", view=0)[None]


def pick_two(length, fps):
    return np.stack(
        [frame_numbers(Sampling(), length, fps, seed=seed, split="train", file="x") for seed in (0, 1)]
    )


def pick_all(length, fps):
    return np.arange(length)[None]


def decode(path, pick=pick_first, sampling=SMALL):
    return decode_clip(str(path), sampling, pick, decoders=("pyav",))


@pytest.mark.parametrize("decoder", [pytest.param("decord", marks=needs_decord), "pyav"])
@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4", "clip.mkv"])
def test_the_requested_frames_are_returned(tmp_path, elsewhere, decoder, name):
    path = str(make_video(tmp_path / name, 30))
    clip = elsewhere.submit(decode_clip, path, SMALL, pick_all, decoders=(decoder,)).result()
    assert clip.decoder == decoder
    assert clip.pixels.shape == (1, 30, 64, 64, 3)
    assert [frame_of(picture) for picture in clip.pixels[0]] == list(range(30))
    assert clip.fps == 25.0
    assert clip.note == ""


def test_pyav_is_tried_first_and_its_error_is_reported(tmp_path, elsewhere):
    path = make_video(tmp_path / "good.mp4", 8)
    decode_there = partial(elsewhere.submit, decode_clip, sampling=SMALL, pick=pick_first)
    assert decode_there(str(path)).result().decoder == "pyav"
    with pytest.raises(DecodeError, match=r"no frame can be decoded$"):
        decode_there(str(unreadable(tmp_path / "bad.avi"))).result()


def unreadable(path):
    """Writes an AVI file whose packets are zeros."""
    data = bytearray(motion_jpeg(path, 64, 64).read_bytes())
    place = data.index(b"movi") + 4
    while data[place : place + 4] == b"00dc":
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        data[place + 8 : place + 8 + size] = bytes(size)
        place += 8 + size + size % 2
    path.write_bytes(data)
    return path


@needs_decord
def test_decord_refuses_rotated_videos(tmp_path, elsewhere):
    path = turn_clockwise(make_video(tmp_path / "turned.mp4", 8))
    with pytest.raises(DecodeError, match="rotated videos; use --decoder pyav"):
        elsewhere.submit(decode_clip, str(path), SMALL, pick_first, decoders=("decord",)).result()


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(1), Fraction(3, 4)])
def test_the_aspect_ratio_of_pixels_is_applied(tmp_path, aspect):
    across, down = np.meshgrid(np.arange(96) - 47.5, np.arange(96) - 47.5)
    disc = np.where(np.hypot(across, down) < 24, 255, 0).astype(np.uint8)
    path = tmp_path / "disc.avi"
    with av.open(str(path), "w") as container:
        how = {"aspect": f"{aspect.numerator}:{aspect.denominator}"}
        stream = container.add_stream("mpeg4", rate=25, options=how)
        stream.width = stream.height = 96
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([disc] * 3, -1), "rgb24")))
        container.mux(stream.encode(None))
    picture = decode(path, sampling=Sampling(frames=4, stride=1, size=96, resize="keep-crop")).pixels[0, 0]
    bright = picture[:, :, 0] > 128
    assert bright.any(0).sum() / bright.any(1).sum() == pytest.approx(float(aspect), rel=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_an_unfinished_recording_is_reported(tmp_path, name):
    data = make_video(tmp_path / name, 30).read_bytes()
    (tmp_path / name).write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(DecodeError, match="no moov atom: the recording was not finished"):
        decode(tmp_path / name)


@needs_display_rotation
def test_rotations_other_than_quarter_turns_are_refused(tmp_path):
    path = tmp_path / "slanted.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        stream.set_display_rotation(30)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey_frames(1)[0], "rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(DecodeError, match=r"frames by (30|29) degrees, but only multiples of 90"):
        decode(path)


def test_a_file_with_too_many_packets_to_keep_gives_the_same_frames(tmp_path, monkeypatch):
    path = make_video(tmp_path / "long.avi", 40)
    kept = decode(path, pick_all)
    monkeypatch.setattr(with_pyav, "_HELD_BYTES", 100)
    read_twice = decode(path, pick_all)
    assert np.array_equal(kept.pixels, read_twice.pixels)
    assert kept.frames.tolist() == read_twice.frames.tolist()


def test_rotation_is_applied(tmp_path):
    pixels = np.zeros((6, 32, 64, 3), dtype=np.uint8)
    pixels[:, :, :32] = 220  # the left half is bright, which is the top half after a clockwise turn
    path = turn_clockwise(make_video(tmp_path / "phone.mp4", pixels))
    picture = decode(path).pixels[0, 0]
    assert picture[:24].mean() > 180
    assert picture[-24:].mean() < 40


def test_a_video_may_have_a_single_frame(tmp_path):
    clip = decode(make_video(tmp_path / "one.mp4", 1))
    assert clip.frames.tolist() == [[0, 0, 0, 0]]
    assert clip.pixels.shape == (1, 4, 64, 64, 3)


def test_a_truncated_video_is_used_up_to_its_last_decodable_frame(tmp_path):
    path = make_video(
        tmp_path / "cut.avi", np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    clip = decode(path, pick_all)
    assert 1 <= clip.frames.max() + 1 < 40
    assert clip.note.startswith("truncated: contains ")
    assert clip.note.endswith(" of 40 frames")


def test_a_truncated_matroska_file_gets_a_note(tmp_path):
    path = make_video(
        tmp_path / "cut.mkv", np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert decode(path).note.endswith(" of 1.6 seconds")


def test_damaged_packets_are_skipped(tmp_path):
    path = make_video(tmp_path / "hurt.mkv", grey_frames(30), codec="libx264")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    clip = decode(path)
    assert clip.pixels.shape == (1, 4, 64, 64, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.avi", b""), ("text.avi", b"no video at all\n" * 50), ("noise.mp4", bytes(9999))],
)
def test_files_that_are_not_videos_are_rejected(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DecodeError, match=name):
        decode(tmp_path / name)


def test_a_file_with_only_sound_is_refused(tmp_path):
    with pytest.raises(DecodeError, match="no video stream"):
        decode(make_sound(tmp_path / "song.avi"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DecodeError, match="No such file"):
        decode(tmp_path / "absent.avi")


def test_a_frame_that_is_nearly_a_line_is_refused(tmp_path):
    pixels = np.zeros((3, 16, 1024, 3), dtype=np.uint8)
    with pytest.raises(DecodeError, match="1024 x 16"):
        decode(make_video(tmp_path / "line.avi", pixels))


def test_a_wide_frame_is_cropped_at_its_centre(tmp_path):
    pixels = np.zeros((6, 32, 96, 3), dtype=np.uint8)
    pixels[:, :, 32:64] = 200
    sampling = Sampling(frames=4, stride=1, size=32, resize="keep-crop")
    picture = decode(make_video(tmp_path / "wide.avi", pixels), sampling=sampling).pixels[0, 0]
    assert picture[:, 4:-4].mean() > 180


def test_downscaling_does_not_alias(tmp_path):
    board = np.indices((128, 128)).sum(0) % 2 * 255
    pixels = np.repeat(board[None, :, :, None], 3, axis=3).astype(np.uint8)
    path = make_video(tmp_path / "board.mkv", np.repeat(pixels, 4, axis=0), codec="ffv1")
    picture = decode(path).pixels[0, 0]
    assert picture.std() < 12  # a checkerboard of single pixels reduced eightfold is grey


@needs_data
@needs_decord
@pytest.mark.parametrize(
    "file",
    [
        "ucf101-10/UCF-101/TrampolineJumping/v_TrampolineJumping_g04_c01.avi",
        "ucf101-original-4x6/train/JumpRope/v_JumpRope_g08_c04.avi",
        "codecs/torchcodec/h265_video.mp4",
        "codecs/torchcodec/nasa_13013.mp4",
        "codecs/mmaction2/demo.mp4",
    ],
)
def test_both_decoders_agree_on_real_videos(elsewhere, file):
    one, other = (
        elsewhere.submit(decode_clip, str(DATA / file), Sampling(), pick_two, decoders=(name,)).result()
        for name in ("decord", "pyav")
    )
    assert one.frames.tolist() == other.frames.tolist()
    difference = np.abs(one.pixels.astype(int) - other.pixels.astype(int))
    assert difference.mean() < 1.0
    assert difference.max() < 64


@needs_data
def test_pyav_decodes_av1():
    clip = decode(DATA / "codecs/torchcodec/av1_video.mkv")
    assert clip.decoder == "pyav"
    assert clip.pixels.std() > 10
