"""Conversion of values to pixels."""

import numpy as np
import pytest

from dfs_store.pictures import to_pixels

NORMALIZATION = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.2, 0.1]}


def test_normalisation_is_undone():
    real = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6)).astype(np.uint8)
    mean, std = (np.array(NORMALIZATION[key])[:, None, None] for key in ("mean", "std"))
    values = ((real / 255 - mean) / std).astype(np.float32)
    assert np.array_equal(to_pixels(values, NORMALIZATION), real.transpose(0, 2, 3, 1))


def test_values_outside_the_range_are_clipped():
    values = np.array([-0.4, 0.5, 1.4], np.float32).reshape(1, 3, 1, 1)
    assert to_pixels(values, None).ravel().tolist() == [0, 128, 255]


def test_values_in_unknown_units_are_stretched():
    values = np.array([-3.0, 0.0, 3.0], np.float32).reshape(1, 3, 1, 1)
    assert to_pixels(values, None).ravel().tolist() == [0, 128, 255]
    assert to_pixels(values * 100, None).ravel().tolist() == [0, 128, 255]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_are_grey(channels):
    pixels = to_pixels(np.full((2, channels, 3, 4), 0.5, np.float32), None)
    assert pixels.shape == (2, 3, 4, 3)
    assert (pixels == 128).all()


@pytest.mark.parametrize("value", [255.0, -3.0, 3.4e38])
def test_a_constant_clip_in_unknown_units_is_grey(value):
    assert (to_pixels(np.full((1, 3, 2, 2), value, np.float32), None) == 128).all()


def test_the_extremes_of_float32_are_stretched_without_a_warning():
    values = np.array([-3.4e38, 0.0, 3.4e38], np.float32).reshape(1, 3, 1, 1)
    assert to_pixels(values, None).ravel().tolist() == [0, 128, 255]
