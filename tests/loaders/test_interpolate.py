"""interpolate(): shapes, dtypes, exactness, gradients and errors, with values computed by hand."""

import numpy as np
import pytest
import torch

from dfs_store.errors import PositionsError, SettingsError
from dfs_store.interpolation import weight_matrix
from dfs_store.loaders import interpolate


def frames(*values, shape=(1, 1, 1), dtype=torch.float32):
    return torch.tensor(values, dtype=dtype).reshape(-1, 1, 1, 1).expand(-1, *shape).contiguous()


def test_values_between_two_key_frames_follow_eq_3():
    clip = interpolate(frames(0.0, 8.0), [0, 4], 5)
    assert clip.flatten().tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_three_key_frames_give_two_linear_pieces():
    clip = interpolate(frames(0.0, 3.0, 1.0), [0, 3, 5], 6)
    assert clip.flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 2.0, 1.0]


def test_one_key_frame_is_repeated():
    assert interpolate(frames(7.0), [0], 4).flatten().tolist() == [7.0] * 4


def test_times_between_frames():
    clip = interpolate(frames(0.0, 8.0), [0, 4], 5, times=[0.25, 3.5, 4.0])
    assert clip.flatten().tolist() == [0.5, 7.0, 8.0]


@pytest.mark.parametrize(
    "positions", [[0, 2, 7], np.array([0, 2, 7], np.uint16), torch.tensor([0, 2, 7]), (0, 2, 7)]
)
def test_positions_can_be_a_list_an_array_or_a_tensor(positions):
    keys = torch.randn(3, 2, 4, 5)
    expected = torch.einsum("tk,kchw->tchw", torch.from_numpy(weight_matrix([0, 2, 7], 8)), keys)
    torch.testing.assert_close(interpolate(keys, positions, 8), expected)


def test_times_can_be_a_tensor():
    keys = torch.randn(2, 1, 2, 2)
    assert torch.equal(
        interpolate(keys, [0, 4], 5, times=torch.tensor([1.5])), interpolate(keys, [0, 4], 5, times=[1.5])
    )


def test_a_batch_equals_its_clips_with_shared_and_separate_positions():
    keys = torch.randn(2, 3, 3, 1, 4, 4)
    shared = interpolate(keys, [0, 2, 7], 8)
    assert shared.shape == (2, 3, 8, 1, 4, 4)
    rows = np.array([[[0, i + 1 + 3 * j, 7] for i in range(3)] for j in range(2)])
    own = interpolate(keys, rows, 8)
    for j in range(2):
        for i in range(3):
            assert torch.equal(shared[j, i], interpolate(keys[j, i], [0, 2, 7], 8))
            assert torch.equal(own[j, i], interpolate(keys[j, i], rows[j, i], 8))


def test_an_empty_batch_has_the_right_shape():
    assert interpolate(torch.empty(0, 2, 3, 4, 4), [0, 7], 8).shape == (0, 8, 3, 4, 4)
    assert interpolate(torch.empty(0, 2, 3, 4, 4), [0, 7], 8, times=[1.0]).shape == (0, 1, 3, 4, 4)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 5, 6)])
def test_fewer_than_four_dimensions_are_one_clip(shape):
    keys = torch.randn(shape)
    clip = interpolate(keys, [0, 2, 4], 5)
    assert clip.shape == (5, *shape[1:])
    torch.testing.assert_close(clip[1], (keys[0] + keys[1]) / 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_floating_dtype_is_kept_with_exact_key_frames(dtype):
    keys = torch.randn(3, 2, 4, 4).to(dtype)
    clip = interpolate(keys, [0, 5, 7], 8)
    assert clip.dtype == dtype
    assert torch.equal(clip[[0, 5, 7]], keys)
    exact = interpolate(keys.double(), [0, 5, 7], 8)
    # Narrow dtypes are rounded once at the end; float32 and float64 in each of three operations.
    limit = 2 * torch.finfo(dtype).eps * keys.double().abs().max()
    assert (clip.double() - exact).abs().max() <= limit


def test_special_values_in_key_frames_are_returned_bit_for_bit():
    keys = frames(-0.0, float("inf"), float("nan"), 1e-45)
    clip = interpolate(keys, [0, 2, 4, 6], 7).flatten()
    assert torch.signbit(clip[0])
    assert clip[2] == float("inf")
    assert torch.isnan(clip[4])
    assert clip[6] == 1e-45


def test_a_key_frame_affects_only_neighbouring_frames():
    clip = interpolate(frames(1.0, float("inf"), 1.0, 3.0), [0, 2, 4, 6], 7).flatten()
    assert clip[4:].tolist() == [1.0, 2.0, 3.0]


def test_gradients_of_first_and_second_order():
    keys = torch.randn(2, 3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    rows = [[0, 2, 7], [0, 3, 7]]
    assert torch.autograd.gradcheck(lambda k: interpolate(k, rows, 8), keys)
    assert torch.autograd.gradgradcheck(lambda k: interpolate(k, rows, 8), keys)


def test_the_gradient_of_a_key_frame_is_the_weighted_sum_of_its_frames():
    keys = frames(0.0, 0.0).requires_grad_()
    interpolate(keys, [0, 4], 5).backward(torch.arange(5.0).reshape(5, 1, 1, 1))
    assert keys.grad.flatten().tolist() == [0.75 + 1.0 + 0.75, 0.25 + 1.0 + 2.25 + 4.0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.complex64])
def test_integer_dtypes_are_refused_by_name(dtype):
    with pytest.raises(SettingsError, match=str(dtype)):
        interpolate(torch.zeros(2, 1, 2, 2, dtype=dtype), [0, 3], 4)


def test_arrays_are_refused():
    with pytest.raises(SettingsError, match=r"ndarray.*from_numpy"):
        interpolate(np.zeros((2, 1, 2, 2), np.float32), [0, 3], 4)


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        ([0, 2], r"last position must be num_frames - 1 = 3, got 2"),
        ([1, 3], r"first position must be 0, got 1"),
        ([0, 1, 3], r"shape \(2,\).*got shape \(3,\)"),
        ([[0, 3]], r"got shape \(1, 2\)"),
        ([0.0, 3.0], r"whole numbers, got dtype float64"),
        ([[0, 3], [0]], r"all of equal length"),
        (0, r"got shape \(\)"),
    ],
)
def test_invalid_positions_are_refused_with_their_values(positions, said):
    with pytest.raises(PositionsError, match=said):
        interpolate(torch.zeros(2, 1, 2, 2), positions, 4)


def test_non_increasing_positions_are_refused_in_a_batch():
    with pytest.raises(PositionsError, match=r"strictly increase, got \[0 0 3\]"):
        interpolate(torch.zeros(2, 3, 1, 2, 2), [[0, 1, 3], [0, 0, 3]], 4)


@pytest.mark.parametrize(
    ("num_frames", "times", "said"),
    [
        (4.0, None, r"num_frames must be a whole number, got 4\.0"),
        (1, None, r"between 2 and 65536.*got 1"),
        (4, [3.5], r"\[0, 3\], got .*3\.5"),
        (4, [-0.1], r"got -0\.1"),
        (4, [float("nan")], r"times must be in"),
        (4, [[1.0]], r"one-dimensional list of numbers, got shape \(1, 1\)"),
    ],
)
def test_invalid_times_are_refused_with_their_values(num_frames, times, said):
    with pytest.raises(SettingsError, match=said):
        interpolate(torch.zeros(2, 1, 2, 2), [0, 3], num_frames, times=times)
