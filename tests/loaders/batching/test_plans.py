"""Segments compute the output frames of a clip with one operation per interval."""

import numpy as np
import pytest
import torch

from dfs_store.loaders.batching.plans import plan_of


def plan(positions, num_frames, num_outputs=None):
    return plan_of(np.array(positions), num_frames, num_outputs or num_frames)


def shapes(positions, num_frames, num_outputs=None):
    """Returns (start, length, key, num_keys, whether mixed) for each segment."""
    segments = plan(positions, num_frames, num_outputs).segments
    return [(*segment[:4], segment.weight is not None) for segment in segments]


def test_two_key_frames_are_one_segment_with_its_last_frame():
    (segment,) = plan([0, 4], 5).segments
    assert segment[:4] == (0, 5, 0, 1)
    assert segment.weight.squeeze(1).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_every_interval_is_one_segment():
    assert shapes([0, 2, 5, 7], 8) == [(0, 2, 0, 1, True), (2, 3, 1, 1, True), (5, 3, 2, 1, True)]


def test_a_dense_clip_is_one_copy():
    assert shapes(range(6), 6) == [(0, 6, 0, 6, False)]


def test_neighbouring_key_frames_are_copied_together():
    assert shapes([0, 1, 2, 3, 7], 8) == [(0, 3, 0, 3, False), (3, 5, 3, 1, True)]
    assert shapes([0, 4, 5, 6, 7], 8) == [(0, 5, 0, 1, True), (5, 3, 2, 3, False)]


def test_a_single_key_frame_is_repeated():
    assert shapes([0], 6) == [(0, 6, 0, 1, False)]


def test_different_temporal_resolutions():
    assert shapes([0, 1, 4], 5, 1) == [(0, 1, 1, 1, True)]
    assert shapes([0, 1, 4], 5, 3) == [(0, 1, 0, 1, False), (1, 2, 1, 1, True)]
    # 0, 0.5, 1, ..., 4
    assert shapes([0, 1, 4], 5, 9) == [(0, 2, 0, 1, True), (2, 7, 1, 1, True)]


def test_clips_with_equal_positions_share_their_plan():
    assert plan([0, 7], 8) is plan([0, 7], 8)
    assert plan([0, 7], 8) is not plan([0, 7], 8, 9)
    assert plan([0, 7], 8) is not plan([0, 3, 7], 8)


@pytest.mark.parametrize("num_outputs", [1, 2, 5, 8, 13])
def test_segments_cover_the_outputs_once_and_in_order(num_outputs):
    rng = np.random.default_rng(num_outputs)
    for _ in range(50):
        inner = np.flatnonzero(rng.random(6) < 0.5) + 1
        found = plan([0, *inner, 7], 8, num_outputs)
        ends = [0, *(segment.start + segment.length for segment in found.segments)]
        assert [segment.start for segment in found.segments] == ends[:-1]
        assert ends[-1] == num_outputs
        for segment in found.segments:
            if segment.weight is not None:
                assert segment.weight.shape == (segment.length, 1)
                assert segment.weight.dtype == torch.float32
