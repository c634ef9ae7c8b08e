import numpy as np
import pytest

from dfs_store.errors import ClipError
from dfs_store.format.quantization import decode, encode, error_bound


def round_trip(frames, dtype):
    return decode(*encode(frames, dtype))


def one_frame(*values):
    return np.array(values, dtype=np.float32).reshape(1, 1, 1, -1)


def test_float32_is_exact():
    frames = one_frame(1e-45, -0.0, 3.4e38, 1 / 3)
    assert round_trip(frames, "float32").tobytes() == frames.tobytes()


def test_float16_accepts_values_up_to_its_largest():
    assert round_trip(one_frame(65519.0), "float16").item() == 65504
    with pytest.raises(ClipError, match="65504, got 65520"):
        encode(one_frame(65520.0), "float16")


def test_uint8_stores_constant_channels_exactly():
    frames = np.full((2, 3, 4, 4), 0.1, dtype=np.float32)
    frames[1] = -7e30
    stored = encode(frames, "uint8")
    assert not stored.scale.any()
    assert np.array_equal(decode(*stored), frames)


def test_uint8_scales_every_frame_and_channel_separately():
    frames = np.zeros((2, 2, 1, 2), dtype=np.float32)
    frames[0, 0, 0] = (0, 255)
    frames[1, 1, 0] = (-1, 1)
    stored = encode(frames, "uint8")
    assert stored.scale.tolist() == [[1, 0], [0, pytest.approx(2 / 255)]]
    assert stored.zero.tolist() == [[0, 0], [0, -1]]
    assert stored.frames[0, 0, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    "values",
    [
        (1e-45, 3e-45, 0),  # below the smallest step of float32
        (-1.7e38, 1.7e38),
        (1e8, 1e8 + 8, 1e8 + 16),
        (-1e-3, 65000),
        (0.1, 0.1 + 1e-8),
    ],
)
def test_the_uint8_error_is_within_its_bound_for_extreme_values(values):
    frames = one_frame(*values)
    error = np.abs(round_trip(frames, "uint8").astype(np.float64) - frames)
    assert (error <= error_bound(frames, "uint8")).all()


def test_uint8_refuses_a_range_that_overflows_float32():
    with pytest.raises(ClipError, match="range"):
        encode(one_frame(-3e38, 3e38), "uint8")


def test_decode_returns_a_new_writable_float32_array(dtype):
    frames = np.ones((1, 1, 2, 2), dtype=np.float32)
    stored = encode(frames, dtype)
    stored.frames.setflags(write=False)
    decoded = decode(*stored)
    assert decoded.dtype == np.float32
    assert decoded.flags.writeable
    assert decoded.base is None
