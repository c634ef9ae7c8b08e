import importlib.util
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.decoding import decode_clip
from dfs_store.videos.decode.sampling import Sampling, frame_numbers
from tests.videos.making import (
    DATA,
    frame_of,
    grey_frames,
    make_sound,
    make_video,
    needs_data,
    turn_clockwise,
)

SMALL = Sampling(frames=4, stride=2, size=64, resize="direct")
HAS_DECORD = importlib.util.find_spec("decord") is not None
needs_decord = pytest.mark.skipif(not HAS_DECORD, reason="decord does not install here")


@pytest.fixture(scope="module")
def elsewhere():
    """A process without torch, since decord and torch must not meet in one."""
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
def test_the_frames_asked_for_are_the_frames_that_come(tmp_path, elsewhere, decoder, name):
    path = str(make_video(tmp_path / name, 30))
    clip = elsewhere.submit(decode_clip, path, SMALL, pick_all, decoders=(decoder,)).result()
    assert clip.decoder == decoder
    assert clip.pixels.shape == (1, 30, 64, 64, 3)
    assert [frame_of(picture) for picture in clip.pixels[0]] == list(range(30))
    assert clip.fps == 25.0
    assert clip.note == ""


def test_pyav_takes_over_where_decord_is_absent_or_cannot_read(tmp_path, elsewhere):
    path = make_video(tmp_path / "turned.mp4", 8)
    decode_there = partial(elsewhere.submit, decode_clip, str(path), SMALL, pick_first)
    assert decode_there().result().decoder == ("decord" if HAS_DECORD else "pyav")
    turn_clockwise(path)
    assert decode_there().result().decoder == "pyav"


def test_rotation_is_applied(tmp_path):
    pixels = np.zeros((6, 32, 64, 3), dtype=np.uint8)
    pixels[:, :, :32] = 220  # the left half is bright; turned clockwise, the top half
    path = turn_clockwise(make_video(tmp_path / "phone.mp4", pixels))
    picture = decode(path).pixels[0, 0]
    assert picture[:24].mean() > 180
    assert picture[-24:].mean() < 40


def test_a_video_of_one_frame_is_legal(tmp_path):
    clip = decode(make_video(tmp_path / "one.mp4", 1))
    assert clip.frames.tolist() == [[0, 0, 0, 0]]
    assert clip.pixels.shape == (1, 4, 64, 64, 3)


def test_a_video_that_is_cut_short_is_used_as_far_as_it_goes(tmp_path):
    path = make_video(
        tmp_path / "cut.avi", np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    clip = decode(path, pick_all)
    assert 1 <= clip.frames.max() + 1 < 40
    assert clip.note.startswith("cut short: ")
    assert clip.note.endswith(" of 40 frames are there")


def test_a_matroska_film_that_is_cut_short_is_noted_too(tmp_path):
    path = make_video(
        tmp_path / "cut.mkv", np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert decode(path).note.endswith(" of 1.6 seconds are there")


def test_damaged_packets_are_passed_over(tmp_path):
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
def test_what_is_no_video_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DecodeError, match=name):
        decode(tmp_path / name)


def test_sound_alone_is_refused(tmp_path):
    with pytest.raises(DecodeError, match="no video stream"):
        decode(make_sound(tmp_path / "song.avi"))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DecodeError, match="No such file"):
        decode(tmp_path / "absent.avi")


def test_a_frame_that_is_nearly_a_line_is_refused(tmp_path):
    pixels = np.zeros((3, 16, 1024, 3), dtype=np.uint8)
    with pytest.raises(DecodeError, match="1024 x 16"):
        decode(make_video(tmp_path / "line.avi", pixels))


def test_a_wide_frame_is_cut_at_its_centre(tmp_path):
    pixels = np.zeros((6, 32, 96, 3), dtype=np.uint8)
    pixels[:, :, 32:64] = 200
    sampling = Sampling(frames=4, stride=1, size=32, resize="keep-crop")
    picture = decode(make_video(tmp_path / "wide.avi", pixels), sampling=sampling).pixels[0, 0]
    assert picture[:, 4:-4].mean() > 180


def test_reduction_does_not_alias(tmp_path):
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
def test_av1_is_read_by_pyav():
    clip = decode(DATA / "codecs/torchcodec/av1_video.mkv")
    assert clip.decoder == "pyav"
    assert clip.pixels.std() > 10
