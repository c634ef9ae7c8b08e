"""Selecting the frames of a clip from the images in a folder by their name pattern."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.frame_folder import folder_status, pictures_of
from dfs_store.videos.files.picture_sequences import picture_sequence, rgb_of


def numbered(pattern, count=12):
    return [pattern.format(number) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("frames", "others"),
    [
        ("img_{:05}.jpg", ["flow_x_{:05}.jpg", "flow_y_{:05}.jpg"]),
        ("color_{:05}.png", ["depth_{:05}.png"]),
        ("{:06}.jpg", ["flow_x_{:06}.jpg"]),
        ("frame-{:06}.color.png", ["frame-{:06}.depth.png"]),
        ("{:04}_rgb.png", ["{:04}_depth.png", "{:04}_mask.png"]),
        ("IMG_{}.JPG", ["thumb_{}.jpg"]),
        ("rgb_{}.png", ["xyz_{}.png"]),
    ],
)
def test_unambiguous_frames_are_used(frames, others):
    names = numbered(frames) + [name for other in others for name in numbered(other, 11)]
    found = picture_sequence(sorted(names, reverse=True))
    assert found.names == numbered(frames)
    assert sum(found.passed_over.values()) == 11 * len(others)


@pytest.mark.parametrize(
    "patterns",
    [
        ["left_{:05}.jpg", "right_{:05}.jpg"],
        ["flow_x_{}.jpg", "flow_y_{}.jpg"],
        ["{:06}.jpg", "{:06}.png"],  # colour and depth of ScanNet
        ["img_{}.jpg", "{:06}.jpg"],
        ["cam1_{:04}.jpg", "cam2_{:04}.jpg"],
        ["{:04}_1.jpg", "{:04}_2.jpg"],
        ["frame_{}.jpg", "frame_{} (1).jpg"],
    ],
)
def test_several_patterns_are_refused_and_named(patterns):
    with pytest.raises(DecodeError, match=r"images in a folder have \d+ name patterns .*\(1\d\)"):
        picture_sequence([name for pattern in patterns for name in numbered(pattern)])


@pytest.mark.parametrize(
    "names",
    [
        numbered("{}.jpg"),
        numbered("flow_x_{}.jpg"),  # of one kind
        ["a.png", "b.png", "c.png"],
        [f"frame_{n:03}_delay-0.04s.png" for n in range(9)],
        [f"{1305031102 + n // 30}.{n * 33333 % 1000000:06}.png" for n in range(90)],  # time stamps
        [f"{n}.jpg" for n in range(5)] + [f"{n}.png" for n in range(5, 10)],
    ],
)
def test_a_single_sequence_is_read_completely(names):
    assert sorted(picture_sequence(names).names) == sorted(names)


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(1, 9), st.randoms())
def test_frames_are_ordered_by_their_numbers(count, start, random):
    names = [f"img_{number}.jpg" for number in range(start, start + count)]
    shuffled = random.sample(names, len(names))
    assert picture_sequence(shuffled).names == names


def test_the_size_of_a_frame_folder_is_that_of_its_frames(tmp_path):
    for name in numbered("img_{:05}.jpg", 3) + numbered("flow_x_{:05}.jpg", 3):
        (tmp_path / name).write_bytes(b"12345")
    assert [path.name for path in pictures_of(tmp_path)] == numbered("img_{:05}.jpg", 3)
    assert folder_status(tmp_path)[0] == 15


def test_folders_side_by_side():
    assert rgb_of(["rgb", "flow_x", "flow_y"]) == (["rgb"], ["flow_x", "flow_y"])
    assert rgb_of(["depth"]) == (["depth"], [])
    assert rgb_of(["v1", "v2"]) == (["v1", "v2"], [])
    with pytest.raises(DecodeError, match="flow_x, flow_y"):
        rgb_of(["flow_x", "flow_y"])
