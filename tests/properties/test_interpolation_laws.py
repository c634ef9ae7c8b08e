"""Laws of Eq. 3 as numbers, for every legal set of positions."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from dfs_store import testing
from dfs_store.interpolation import neighbours, resample_times, weight_matrix


@st.composite
def positions_and_times(draw):
    num_frames = draw(st.integers(2, 40))
    positions = draw(testing.positions(num_frames))
    times = draw(st.lists(st.floats(0, num_frames - 1), min_size=1, max_size=12))
    return positions, num_frames, np.array(times)


@given(positions_and_times())
def test_every_time_lies_between_its_neighbours(case):
    positions, num_frames, times = case
    near = neighbours(positions, num_frames, times=times)
    assert ((near.weight >= 0) & (near.weight < 1)).all()
    assert (positions[near.left] <= times).all()
    moving = near.weight > 0
    assert (positions[near.right][moving] > times[moving]).all()
    assert (near.right - near.left == moving).all()
    if positions.size > 1:
        mixed = (1 - near.weight) * positions[near.left] + near.weight * positions[near.right]
        np.testing.assert_allclose(mixed, times, rtol=1e-12, atol=1e-12)


@given(positions_and_times())
def test_weights_are_a_convex_combination_of_at_most_two_key_frames(case):
    positions, num_frames, times = case
    matrix = weight_matrix(positions, num_frames, times=times)
    assert (matrix >= 0).all()
    assert ((matrix > 0).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)


@given(positions_and_times())
def test_key_positions_give_their_key_frame_exactly(case):
    positions, num_frames, _ = case
    assert np.array_equal(weight_matrix(positions, num_frames, times=positions), np.eye(positions.size))


@given(positions_and_times(), st.data())
def test_inserting_the_interpolated_frame_leaves_the_clip_unchanged(case, data):
    positions, num_frames, times = case
    assume(1 < positions.size < num_frames)
    candidates = sorted(set(range(num_frames)) - set(positions.tolist()))
    inserted = data.draw(st.sampled_from(candidates))
    values = np.sin(np.arange(positions.size) * 2.5)[:, None]
    value = weight_matrix(positions, num_frames, times=[inserted]) @ values
    place = int(np.searchsorted(positions, inserted))
    more_positions = np.insert(positions, place, inserted)
    more_values = np.insert(values, place, value, axis=0)
    for moments in (None, times):
        before = weight_matrix(positions, num_frames, times=moments) @ values
        after = weight_matrix(more_positions, num_frames, times=moments) @ more_values
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


@given(st.integers(2, 200), st.integers(1, 200))
def test_resampled_times_are_even_and_stay_in_the_clip(num_frames, count):
    times = resample_times(num_frames, count)
    assert times.size == count
    assert ((times >= 0) & (times <= num_frames - 1)).all()
    np.testing.assert_allclose(np.diff(times), (num_frames - 1) / max(count - 1, 1), rtol=1e-9)
