import numpy as np
import pytest

from dfs_store.errors import PositionsError, SettingsError
from dfs_store.interpolation import (
    check_positions,
    check_times,
    neighbours,
    resample_times,
    weight_matrix,
)


def test_eq_3_by_hand():
    # alpha = (b - t) / (b - a) with a = 2, b = 6: at t = 3 the left key frame counts 3/4.
    near = neighbours([0, 2, 6], 7)
    assert near.left.tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert near.right.tolist() == [0, 1, 1, 2, 2, 2, 2]
    assert near.weight.tolist() == [0, 0.5, 0, 0.25, 0.5, 0.75, 0]


def test_the_weight_matrix_by_hand():
    expected = [
        [1, 0, 0],
        [0.5, 0.5, 0],
        [0, 1, 0],
        [0, 0.75, 0.25],
        [0, 0.5, 0.5],
        [0, 0.25, 0.75],
        [0, 0, 1],
    ]
    matrix = weight_matrix([0, 2, 6], 7)
    assert matrix.dtype == np.float32
    assert matrix.tolist() == expected


def test_times_between_frames():
    near = neighbours([0, 4], 5, times=[0.5, 3.999999999])
    assert near.left.tolist() == [0, 0]
    assert near.right.tolist() == [1, 1]
    assert near.weight[0] == 0.125
    assert near.weight[1] < 1


def test_a_single_key_frame_gives_a_still_clip():
    assert weight_matrix([0], 4).tolist() == [[1]] * 4


def test_positions_are_returned_as_int64():
    checked = check_positions(np.array([0, 3], dtype=np.uint16), 4)
    assert checked.dtype == np.int64


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        ([], "non-empty"),
        ([[0, 3]], r"shape \(1, 2\)"),
        ([0.0, 3.0], "float64"),
        ([1, 3], "first position must be 0, got 1"),
        ([3], "first position must be 0, got 3"),
        ([0, 2], "num_frames - 1 = 3, got 2"),
        ([0, 4], "got 4"),
        ([0, 2, 2, 3], "strictly increase"),
        ([0, 2, 1, 3], "strictly increase"),
        ([0, -1, 3], "strictly increase"),
    ],
)
def test_invalid_positions_are_refused(positions, words):
    with pytest.raises(PositionsError, match=words):
        check_positions(positions, 4)


@pytest.mark.parametrize("num_frames", [-1, 0, 1, 65_537])
def test_num_frames_out_of_range_is_refused(num_frames):
    with pytest.raises(SettingsError, match=rf"between 2 and 65536.*got {num_frames}"):
        check_positions([0], num_frames)


@pytest.mark.parametrize("times", [[-0.1], [3.1], [float("nan")], [float("inf")], [[0.0]]])
def test_times_outside_the_clip_are_refused(times):
    with pytest.raises(SettingsError, match="times must"):
        check_times(times, 4)


def test_times_default_to_the_whole_frames():
    assert check_times(None, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("num_frames", "count", "times"),
    [
        (5, 5, [0, 1, 2, 3, 4]),
        (5, 1, [2]),
        (5, 2, [0, 4]),
        (5, 3, [0, 2, 4]),
        (2, 5, [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_resampled_times(num_frames, count, times):
    assert resample_times(num_frames, count).tolist() == times


def test_resampling_to_zero_frames_is_refused():
    with pytest.raises(SettingsError, match="at least 1, got 0"):
        resample_times(8, 0)
