"""The insertion rule on hand-made gradients."""

import numpy as np
import pytest
import torch

from dfs_store.condense.engine.insertion.evidence import Evidence
from dfs_store.condense.engine.insertion.rule import InsertionRule, adjacent_cosines, gradient_dots
from dfs_store.condense.engine.key_frames import TrainableKeyFrames

# Gradients are 2-vectors (C = 2, H = W = 1). The two key frames of a 5-frame clip pull along the axes, so
# a candidate disagrees with both exactly when both of its coordinates are negative.
LEFT, RIGHT = (1.0, 0.0), (0.0, 1.0)
BOTH_STRONG = (-1.0, -1.0)  # cosines -0.71, -0.71
BOTH_WEAK = (-1.0, -0.1)  # cosines -0.995, -0.0995
ONE_SIDED = (-1.0, 0.5)  # cosines -0.89, +0.45
AGREES = (1.0, 1.0)
ZERO = (0.0, 0.0)


def clips(*positions):
    return TrainableKeyFrames(
        [torch.zeros(len(p), 2, 1, 1) for p in positions], positions, [0] * len(positions), num_frames=5
    )


def gradients(*rows):
    return torch.tensor(rows, dtype=torch.float32)[..., None, None]


def _chosen(rule, gradient, key_frames, seed):
    evidence = Evidence(len(key_frames), key_frames.num_frames)
    rule.gather(adjacent_cosines(gradient_dots(gradient), key_frames, rule.gradient).numpy(), evidence)
    return rule.choose(evidence, np.random.default_rng(seed))


def chosen(gradient, key_frames, **rule):
    return _chosen(InsertionRule(**rule), gradient, key_frames, 0)


def test_the_most_negative_candidate_is_inserted_first():
    gradient = gradients([LEFT, BOTH_WEAK, BOTH_STRONG, BOTH_WEAK, RIGHT])
    assert chosen(gradient, clips([0, 4])) == [(0, 2)]


def test_both_cosines_must_be_below_epsilon():
    gradient = gradients([LEFT, ONE_SIDED, AGREES, (0.5, -1.0), RIGHT])
    assert chosen(gradient, clips([0, 4])) == []
    gradient = gradients([LEFT, ONE_SIDED, BOTH_WEAK, AGREES, RIGHT])
    assert chosen(gradient, clips([0, 4])) == [(0, 2)]


def test_the_score_is_the_larger_of_the_two_cosines():
    # Strongly negative on the left and barely on the right: the right side counts.
    gradient = gradients([LEFT, (-1.0, -0.3), (-1.0, -0.4), (-1.0, -0.2), RIGHT])
    assert chosen(gradient, clips([0, 4])) == [(0, 2)]


def test_epsilon_is_strict_and_moves_the_threshold():
    gradient = gradients([LEFT, (-1.0, 0.0), AGREES, AGREES, RIGHT])
    assert chosen(gradient, clips([0, 4])) == []  # the larger cosine is exactly 0
    assert chosen(gradient, clips([0, 4]), epsilon=1e-3) == [(0, 1)]
    strong = gradients([LEFT, BOTH_STRONG, AGREES, AGREES, RIGHT])
    assert chosen(strong, clips([0, 4]), epsilon=-0.5) == [(0, 1)]
    assert chosen(strong, clips([0, 4]), epsilon=-0.8) == []


def test_one_key_frame_is_inserted_per_clip_and_test():
    row = [LEFT, BOTH_STRONG, BOTH_STRONG, BOTH_WEAK, RIGHT]
    two_clips = clips([0, 4], [0, 4])
    assert chosen(gradients(row, row), two_clips) == [(0, 1), (1, 1)]  # a tie goes to the earlier position
    every = [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert chosen(gradients(row, row), two_clips, insertions="all") == every


def test_neighbours_are_the_adjacent_key_frames_not_the_ends():
    # Key frame 2 pulls like LEFT. Position 3 is between 2 and 4, and position 1 between 0 and 2.
    gradient = gradients([(-1.0, 0.0), BOTH_STRONG, LEFT, BOTH_STRONG, RIGHT])
    assert chosen(gradient, clips([0, 2, 4])) == [(0, 3)]


def test_key_positions_and_zero_gradients_never_qualify():
    gradient = gradients([LEFT, ZERO, (-1.0, -1.0), ZERO, RIGHT])
    cosines = adjacent_cosines(gradient_dots(gradient), clips([0, 2, 4]), "frame")
    assert cosines.isnan().all()
    assert chosen(gradient, clips([0, 2, 4]), epsilon=2.0) == []


def test_a_clip_with_one_key_frame_has_no_candidates():
    gradient = gradients(
        [LEFT, BOTH_STRONG, BOTH_STRONG, BOTH_WEAK, RIGHT], [LEFT, BOTH_STRONG, AGREES, AGREES, RIGHT]
    )
    assert chosen(gradient, clips([0], [0, 4]), epsilon=2.0) == [(1, 1)]


def test_cosines_equal_the_cosines_that_torch_computes():
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(3, 5, 2, 4, 4, generator=generator)
    cosines = adjacent_cosines(
        gradient_dots(gradient),
        TrainableKeyFrames(
            [torch.zeros(k, 2, 4, 4) for k in (2, 3, 4)], [[0, 4], [0, 1, 4], [0, 2, 3, 4]], [0, 0, 0], 5
        ),
        "frame",
    )
    flat = gradient.flatten(2).double()
    expected = {
        (0, 1): (0, 4),
        (0, 2): (0, 4),
        (0, 3): (0, 4),
        (1, 2): (1, 4),
        (1, 3): (1, 4),
        (2, 1): (0, 2),
    }
    for (clip, candidate), neighbours in expected.items():
        for side, neighbour in enumerate(neighbours):
            wanted = torch.cosine_similarity(flat[clip, candidate], flat[clip, neighbour], dim=0)
            assert cosines[side, clip, candidate] == pytest.approx(float(wanted), abs=1e-6)
    assert int((~cosines[0].isnan()).sum()) == len(expected)


def test_the_accumulated_reading_uses_the_key_frame_gradient_of_autograd():
    generator = torch.Generator().manual_seed(1)
    gradient = torch.randn(2, 5, 2, 3, 3, generator=generator)
    key_frames = TrainableKeyFrames(
        [torch.zeros(2, 2, 3, 3), torch.zeros(3, 2, 3, 3)], [[0, 4], [0, 3, 4]], [0, 0], num_frames=5
    )
    parameter_gradient = key_frames.pull_back(gradient)
    cosines = adjacent_cosines(gradient_dots(gradient), key_frames, "accumulated")
    for clip, candidate, left, right in ((0, 1, 0, 1), (0, 3, 0, 1), (1, 2, 2, 3)):
        for side, key in enumerate((left, right)):
            wanted = torch.cosine_similarity(
                gradient[clip, candidate].flatten().double(),
                parameter_gradient[key].flatten().double(),
                dim=0,
            )
            assert cosines[side, clip, candidate] == pytest.approx(float(wanted), abs=1e-6)


def test_l2_chooses_the_largest_of_the_smaller_distances():
    # Unit-normalised distances: same direction 0, orthogonal sqrt(2), opposite 2.
    near = (1.0, 0.05)
    gradient = gradients([LEFT, near, near, near, LEFT])  # distance 0.05 to both: below 0.141
    assert chosen(gradient, clips([0, 4]), metric="l2", epsilon=0.141) == []
    gradient = gradients([LEFT, (1.0, 0.3), (1.0, 0.6), near, LEFT])
    assert chosen(gradient, clips([0, 4]), metric="l2", epsilon=0.141) == [(0, 2)]
    assert chosen(gradient, clips([0, 4]), metric="l2", epsilon=0.141, insertions="all") == [(0, 1), (0, 2)]


def test_random_selection_needs_the_trigger_and_draws_from_all_non_key_positions():
    quiet = gradients([LEFT, AGREES, AGREES, AGREES, RIGHT])
    assert chosen(quiet, clips([0, 4]), selection="random") == []
    fired = gradients([LEFT, AGREES, BOTH_STRONG, AGREES, RIGHT])
    rule = InsertionRule(selection="random")
    drawn = [_chosen(rule, fired, clips([0, 4]), seed) for seed in range(60)]
    assert {position for [(_, position)] in drawn} == {1, 2, 3}
    assert _chosen(rule, fired, clips([0, 4]), 7) == drawn[7]


# Evidence over several steps: the cosines of one clip of 5 frames, its candidates at 1, 2 and 3.


def cosines(left, right):
    rows = torch.full((2, 1, 5), torch.nan, dtype=torch.float64)
    rows[0, 0, 1:4], rows[1, 0, 1:4] = torch.tensor(left), torch.tensor(right)
    return rows


def gathered(rule, *steps):
    evidence = Evidence(1, 5)
    for step in steps:
        rule.gather(step.numpy(), evidence)
    return evidence


def chosen_after(*steps, **rule):
    rule = InsertionRule(**rule)
    return rule.choose(gathered(rule, *steps), np.random.default_rng(0))


def test_last_uses_only_the_step_that_tests():
    earlier, testing = (
        cosines([-0.9, 0.1, 0.1], [-0.9, 0.1, 0.1]),
        cosines([0.1, -0.1, 0.1], [0.1, -0.1, 0.1]),
    )
    assert chosen_after(earlier, testing) == chosen_after(testing) == [(0, 2)]
    assert chosen_after(testing, earlier) == [(0, 1)]


def test_mean_averages_each_side_over_the_steps():
    one, two = cosines([-0.4, -0.4, 0.3], [-0.1, -0.4, -0.1]), cosines([0.3, 0.5, -0.4], [-0.1, 0.3, -0.1])
    # Means: 1: -0.05 and -0.1; 2: +0.05 and -0.05; 3: -0.05 and -0.1.
    assert chosen_after(one, two, evidence="mean", insertions="all") == [(0, 1), (0, 3)]
    # No single step would choose the same positions.
    assert chosen_after(one, insertions="all") == [(0, 1), (0, 2)]
    assert chosen_after(two, insertions="all") == [(0, 3)]


def test_mean_uses_the_side_that_disagrees_less_on_average():
    # Every step has a cosine above 0, on changing sides; the means of both sides are below 0.
    one, two = cosines([0.1, 0.1, 0.1], [-0.5, -0.2, 0.1]), cosines([-0.5, -0.2, 0.1], [0.1, 0.1, 0.1])
    assert chosen_after(one, two, insertions="all") == []
    assert chosen_after(one, two, evidence="mean") == [(0, 1)]
    assert chosen_after(one, two, evidence="persistent") == []


def test_persistent_counts_the_steps_that_disagree():
    disagree, agree = [-0.1, -0.1, -0.1], [0.9, 0.9, 0.9]
    # Candidate 1 disagrees at all four steps, candidate 2 at two, and candidate 3 at one.
    steps = [
        cosines(disagree, disagree),
        cosines([-0.1, -0.1, 0.9], disagree),
        cosines([-0.1, 0.9, 0.9], disagree),
        cosines([-0.1, 0.9, 0.9], disagree),
    ]
    rule = {"evidence": "persistent", "insertions": "all"}
    assert chosen_after(*steps, **rule, persistence=0.5) == [(0, 1), (0, 2)]
    assert chosen_after(*steps, **rule, persistence=0.51) == [(0, 1)]
    assert chosen_after(*steps, **rule, persistence=0.25) == [(0, 1), (0, 2), (0, 3)]
    assert chosen_after(*steps, cosines(agree, agree), **rule, persistence=1.0) == []


def test_persistent_ranks_by_the_share_of_steps_then_by_the_mean():
    # Candidate 1 disagrees most on average, but at only one step; 2 and 3 disagree at both, 3 more strongly.
    steps = [cosines([-0.9, -0.1, -0.2], [-0.9, -0.1, -0.2]), cosines([0.1, -0.1, -0.2], [0.1, -0.1, -0.2])]
    assert chosen_after(*steps, evidence="persistent") == [(0, 3)]
    assert chosen_after(*steps, evidence="mean") == [(0, 1)]


def test_the_smaller_cosine_ranks_but_both_must_disagree():
    step = cosines([-0.3, -0.9, -0.95], [-0.2, -0.1, 0.1])
    assert chosen_after(step, score="larger") == [(0, 1)]
    assert chosen_after(step, score="smaller") == [(0, 2)]
    assert chosen_after(step, step, score="smaller", evidence="mean") == [(0, 2)]
    assert chosen_after(step, step, score="smaller", evidence="persistent") == [(0, 2)]


@pytest.mark.parametrize("evidence", ["last", "mean", "persistent"])
def test_l2_works_with_all_evidence(evidence):
    # A distance of 0.5 corresponds to a cosine of 0.875.
    step = cosines([0.9, 0.8, 0.5], [0.1, 0.8, 0.9])
    rule = {"metric": "l2", "epsilon": 0.5, "insertions": "all", "evidence": evidence}
    assert chosen_after(step, step, **rule) == [(0, 2)]


@pytest.mark.parametrize("evidence", ["mean", "persistent"])
def test_random_selection_keeps_the_trigger_of_the_evidence(evidence):
    rule = InsertionRule(selection="random", evidence=evidence)
    step = cosines([-0.1, 0.5, 0.5], [-0.1, 0.5, 0.5])
    fired, quiet = gathered(rule, step, step), gathered(rule, cosines([0.5] * 3, [0.5] * 3))
    assert rule.choose(quiet, np.random.default_rng(0)) == []
    drawn = [rule.choose(fired, np.random.default_rng(seed)) for seed in range(60)]
    assert {position for [(_, position)] in drawn} == {1, 2, 3}


def test_a_step_without_a_gradient_does_not_count():
    known, unknown = cosines([-0.2, 0.2, 0.2], [-0.2, 0.2, 0.2]), cosines([torch.nan] * 3, [0.9] * 3)
    for evidence in ("mean", "persistent"):
        assert chosen_after(known, unknown, evidence=evidence, persistence=1.0) == [(0, 1)]
        assert chosen_after(unknown, evidence=evidence, epsilon=2.0) == []


def test_cleared_evidence_equals_the_evidence_of_a_new_clip():
    rule = InsertionRule(evidence="mean")
    low, high = cosines([-0.9] * 3, [-0.9] * 3), cosines([0.1, -0.1, 0.1], [0.1, -0.1, 0.1])
    evidence = gathered(rule, low)
    evidence.clear()
    assert rule.choose(evidence, np.random.default_rng(0)) == []
    rule.gather(high.numpy(), evidence)
    assert rule.choose(evidence, np.random.default_rng(0)) == [(0, 2)]
