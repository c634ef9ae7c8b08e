"""Conversion of values to pixels and back, with clipping."""

import numpy as np
import pytest

from dfs_store.errors import SettingsError
from dfs_store.exchange.pixels import normalised, parse_normalization, to_pixels, to_rgb
from dfs_store.format.spec import IMAGENET

TWO = {"mean": [0.5, 0.25], "std": [0.5, 2.0]}


@pytest.mark.parametrize("normalization", [None, TWO])
def test_every_grey_level_survives_both_ways(normalization):
    pixels = np.arange(512, dtype=np.uint16).astype(np.uint8).reshape(1, 2, 16, 16)
    back = to_pixels(normalised(pixels, normalization), normalization)
    assert np.array_equal(back.pixels, pixels)
    assert back.num_clipped == 0


def test_values_beyond_black_and_white_are_clipped_and_counted():
    found = to_pixels(np.array([-1, -0.001, 0, 0.5, 1.001, 9], np.float32).reshape(1, 1, 1, 6), None)
    assert found.pixels.ravel().tolist() == [0, 0, 0, 128, 255, 255]
    assert found.num_clipped == 2  # a thousandth is less than half a grey level


def test_one_channel_becomes_grey_and_two_channels_are_rejected():
    grey = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    assert to_rgb(grey)[0, 1, 0].tolist() == [2, 2, 2]
    with pytest.raises(SettingsError, match=r"have 2;.*npz"):
        to_rgb(np.zeros((1, 2, 2, 2), np.uint8))


def test_a_normalization_is_a_name_or_numbers():
    assert parse_normalization("imagenet", 3) == IMAGENET
    assert parse_normalization("none", 5) is None
    assert parse_normalization("0.5/0.25", 2) == {"mean": [0.5, 0.5], "std": [0.25, 0.25]}
    assert parse_normalization("0.5,0.25/0.5,2", 2) == TWO


@pytest.mark.parametrize("text", ["", "0.5", "0.5/0", "a/b", "1,2,3/1", "nan/1", "0/inf", "1/2/3"])
def test_invalid_normalizations_are_rejected(text):
    with pytest.raises(SettingsError, match="--normalization"):
        parse_normalization(text, 2)
    with pytest.raises(SettingsError, match="needs 3 channels"):
        parse_normalization("imagenet", 2)
