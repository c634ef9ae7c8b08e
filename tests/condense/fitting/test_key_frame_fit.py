"""Key frames fitted to real clips, compared with brute force and with NumPy's least squares."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.condense.fitting.key_frame_fit import (
    best_fits,
    fitted_key_frames,
    gram_matrix,
    share_out_key_frames,
)
from dfs_store.interpolation import weight_matrix


@st.composite
def clips(draw):
    length, size = draw(st.integers(2, 7)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).normal(0, 50, (length, size)).astype(np.float32)


def error_at(clip, positions, key_frames):
    rebuilt = weight_matrix(positions, len(clip)).astype(np.float64) @ key_frames.astype(np.float64)
    return float(((rebuilt - clip) ** 2).sum())


def placements(length, count):
    return ([0, *inner, length - 1] for inner in itertools.combinations(range(1, length - 1), count - 2))


@given(clips())
@settings(deadline=None)
def test_positions_are_optimal_for_key_frames_taken_from_the_clip(clip):
    for count, fit in enumerate(best_fits(gram_matrix(clip)), start=1):
        if len(fit.positions) == count > 1:
            best = min(error_at(clip, p, clip[p]) for p in placements(len(clip), count))
            assert error_at(clip, fit.positions, clip[fit.positions]) == pytest.approx(
                best, rel=1e-4, abs=0.1
            )


@given(clips())
@settings(deadline=None)
def test_values_are_least_squares_and_the_error_is_their_residual(clip):
    scale = float((clip.astype(np.float64) ** 2).sum())
    last = np.inf
    for fit in best_fits(gram_matrix(clip)):
        weights = weight_matrix(fit.positions, len(clip)).astype(np.float64)
        solved, *_ = np.linalg.lstsq(weights, clip.astype(np.float64), rcond=None)
        found = fitted_key_frames(clip, fit.positions)
        np.testing.assert_allclose(found, solved, rtol=1e-4, atol=1e-2)
        assert fit.error == pytest.approx(error_at(clip, fit.positions, solved), rel=1e-5, abs=1e-8 * scale)
        assert fit.error <= error_at(clip, fit.positions, clip[fit.positions]) + 1e-8 * scale
        assert fit.error <= last
        last = fit.error
    assert last <= 1e-8 * scale  # with all the key frames that it needs, the clip is exact


def test_a_piecewise_linear_clip_needs_only_its_corner_frames():
    corners = np.random.default_rng(0).normal(size=(4, 3, 5, 5)).astype(np.float32)
    clip = np.tensordot(weight_matrix([0, 2, 3, 7], 8), corners, axes=1)
    fits = best_fits(gram_matrix(clip))
    assert fits[3].positions.tolist() == [0, 2, 3, 7]
    assert fits[3].error < 1e-6 < fits[2].error
    np.testing.assert_allclose(fitted_key_frames(clip, fits[3].positions), corners, atol=1e-5)


def test_one_key_frame_is_the_mean_frame_and_suffices_for_a_still_clip():
    clip = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    (position,) = best_fits(gram_matrix(clip))[0].positions
    assert position == 0
    np.testing.assert_allclose(fitted_key_frames(clip, np.array([0]))[0], clip.mean(axis=0), atol=1e-6)
    still = np.repeat(clip[:1], 5, axis=0)
    assert [len(fit.positions) for fit in best_fits(gram_matrix(still))] == [1] * 5


@given(st.data())
@settings(deadline=None)
def test_sharing_out_equals_brute_force_if_gains_decrease(data):
    num_clips = data.draw(st.integers(1, 4))
    gains = st.lists(st.integers(0, 20), min_size=3, max_size=3).map(lambda g: sorted(g, reverse=True))
    curves = []
    for _ in range(num_clips):
        falls = data.draw(gains)
        curves.append([float(100 - sum(falls[:k])) for k in range(4)])
    total = data.draw(st.integers(num_clips, 4 * num_clips))
    counts = share_out_key_frames(curves, total)
    assert sum(counts) <= total
    assert all(1 <= count <= 4 for count in counts)

    def cost(shares):
        return sum(curve[share - 1] for curve, share in zip(curves, shares, strict=True))

    best = min(
        cost(shares) for shares in itertools.product(range(1, 5), repeat=num_clips) if sum(shares) <= total
    )
    assert cost(counts) == best


def test_sharing_out_is_not_misled_by_rounding():
    assert share_out_key_frames([[0.3, 0.2, 0.1, 0.0]], 4) == [4]
    assert share_out_key_frames([[0.3, 0.2, 0.1, 0.0], [0.7, 0.6, 0.5, 0.4]], 8) == [4, 4]


def test_sharing_out_takes_two_key_frames_that_help_only_together():
    # The first clip gains nothing from a second key frame, but everything from a third.
    assert share_out_key_frames([[100.0, 100.0, 0.0], [50.0, 40.0, 39.0]], 4) == [3, 1]
    assert share_out_key_frames([[100.0, 100.0, 0.0], [50.0, 40.0, 39.0]], 3) == [1, 2]
