"""Optical flow with known motion, colours and cosines."""

import colorsys

import numpy as np
import pytest

from dfs_store.evaluate.motion import (
    almost_still,
    end_point_error,
    flow_colours,
    flow_picture,
    mean_cosine,
    mean_flow,
)


def shifted(step, frames=4, size=48):
    """Returns a clip (T, 3, H, W) of a texture that moves by `step` pixels (right, down) per frame."""
    random = np.random.default_rng(0).normal(size=(size, size))
    squares = np.fft.fftfreq(size) ** 2
    spectrum = np.fft.fft2(random) * np.exp(-320 * np.add.outer(squares, squares))
    texture = np.fft.ifft2(spectrum).real
    texture = (texture - texture.min()) / np.ptp(texture)
    moved = [np.roll(texture, (step[1] * t, step[0] * t), axis=(0, 1)) for t in range(frames)]
    return np.stack(moved)[:, None].repeat(3, axis=1).astype(np.float32)


@pytest.mark.parametrize("step", [(2, 0), (0, -1), (1, 2)])
def test_flow_matches_the_motion_of_a_texture(step):
    flow = mean_flow([shifted(step)])
    assert flow.shape == (48, 48, 2)
    inner = flow[12:-12, 12:-12].mean(axis=(0, 1))
    np.testing.assert_allclose(inner, step, atol=0.3)


def test_the_mean_is_over_all_pairs_of_all_clips():
    to_and_fro = mean_flow([shifted((2, 0)), shifted((-2, 0))])
    assert np.abs(to_and_fro[12:-12, 12:-12].mean(axis=(0, 1))).max() < 0.2
    with pytest.raises(ValueError, match="at least one clip"):
        mean_flow([])


def field(right, down, size=4):
    return np.full((size, size, 2), (right, down), dtype=np.float32)


def test_cosines():
    assert mean_cosine(field(1, 0), field(3, 0)) == pytest.approx(1)
    assert mean_cosine(field(1, 0), field(0, 2)) == pytest.approx(0)
    assert mean_cosine(field(1, 1), field(-1, -1)) == pytest.approx(-1)
    assert mean_cosine(field(0, 0), field(1, 0)) is None
    half = field(1, 0)
    half[:2] = 0  # these pixels have no direction and do not count
    assert mean_cosine(half, field(2, 0)) == pytest.approx(1)


@pytest.mark.parametrize("degrees", range(0, 360, 30))
@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_colours_are_hsv_of_direction_and_magnitude(degrees, strength):
    angle = np.radians(degrees)
    colours = flow_colours(field(3 * strength * np.cos(angle), 3 * strength * np.sin(angle)), largest=3)
    # The second component points downwards, but hues increase counter-clockwise.
    expected = colorsys.hsv_to_rgb(-degrees % 360 / 360, strength, 0.5 + 0.5 * strength)
    np.testing.assert_allclose(colours[0, 0] / 255, expected, atol=0.01)


def test_hues_match_the_paper():
    named = {(1, 0): (255, 0, 0), (-1, 0): (0, 255, 255), (0, -1): (128, 255, 0), (0, 1): (128, 0, 255)}
    for (right, down), colour in named.items():
        found = flow_colours(field(right, down), largest=1)[0, 0]
        assert np.abs(found.astype(int) - colour).max() <= 1, (right, down)


def test_end_point_errors_depend_on_speed_and_still_pixels():
    assert end_point_error(field(3, 4), field(0, 0)) == pytest.approx(5)
    assert end_point_error(field(1, 0), field(3, 0)) == pytest.approx(2)  # the cosine is 1
    half = field(1, 0)
    half[:2] = 0
    assert end_point_error(half, field(1, 0)) == pytest.approx(0.5)


def test_almost_still_classes_are_detected():
    few = np.zeros((20, 20, 2), dtype=np.float32)
    assert almost_still(few)
    few[0, :5, 0] = 1.5  # a mean of 0.019
    assert almost_still(few)
    few[0, :6, 0] = 1.5
    assert not almost_still(few)
    assert almost_still(mean_flow([shifted((0, 0))]))


def test_no_motion_is_grey():
    assert np.unique(flow_colours(field(0, 0), largest=1)).tolist() == [128]
    assert np.unique(flow_colours(field(0, 0), largest=0)).tolist() == [128]


def test_the_picture_has_a_column_per_class_with_the_real_flow_above_the_condensed_flow():
    picture = flow_picture([field(1, 0), field(0, 1)], [field(-1, 0), field(0, -1)], ["one", "two ünicode"])
    above, below = picture[16 + 4 + 48, 100 + 48], picture[16 + 4 + 100 + 48, 100 + 48]
    assert above.tolist() == flow_colours(field(1, 0), 1)[0, 0].tolist()
    assert below.tolist() == flow_colours(field(-1, 0), 1)[0, 0].tolist()
    assert picture.shape[1] == 3 * (96 + 4)
    assert picture[:16, 100:].min() < 100  # the class names
    for row in (20, 120):
        assert picture[row : row + 96, :96].min() < 100  # the row labels
    key = picture[220:]
    assert flow_colours(field(1, 0), 1)[0, 0].tolist() in key.reshape(-1, 3).tolist()
