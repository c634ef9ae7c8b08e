"""Laws of insertion: when it tests, what it may pick, and that cutting clips into chunks changes nothing."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.condense.engine.insertion.evidence import Evidence
from dfs_store.condense.engine.insertion.rule import InsertionRule
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.engine.schedule import Schedule

shares = st.floats(0, 1)
rules = st.builds(
    InsertionRule,
    metric=st.sampled_from(["cosine", "l2"]),
    epsilon=st.sampled_from([-0.3, 0.0, 0.141, 0.5, 1.2]),
    selection=st.sampled_from(["lowest", "random"]),
    insertions=st.sampled_from(["one", "all"]),
    evidence=st.sampled_from(["last", "mean", "persistent"]),
    persistence=st.sampled_from([0.2, 0.5, 1.0]),
    score=st.sampled_from(["larger", "smaller"]),
)


@given(st.integers(1, 400), st.floats(0, 0.5), st.floats(0, 0.5), shares)
@settings(max_examples=200, deadline=None)
def test_intervals_tile_the_insertion_phase(iterations, warmup, cooldown, share):
    schedule = Schedule(iterations, warmup, cooldown, share)
    phase = [step for step in range(iterations) if schedule.inserts(step)]
    tests = [step for step in range(iterations) if schedule.tests(step)]
    assert set(tests) <= set(phase)
    assert len(tests) == schedule.num_tests
    if not phase:
        return
    assert tests[-1] == phase[-1]
    lengths = [end - start for start, end in pairwise([phase[0] - 1, *tests])]
    assert sum(lengths) == len(phase)
    assert max(lengths) - min(lengths) <= 1


@given(st.lists(st.integers(1, 6000), min_size=2, max_size=5), st.floats(1e-3, 1))
@settings(max_examples=200, deadline=None)
def test_a_share_gives_as_many_tests_whatever_the_number_of_steps(lengths, share):
    schedules = [Schedule(iterations, 0.2, 0.2, share) for iterations in lengths]
    phases = [s.end_of_insertion - s.first_insertion for s in schedules]
    counts = {s.num_tests for s, phase in zip(schedules, phases, strict=True) if phase * share > 1}
    assert len(counts) <= 1
    for schedule, phase in zip(schedules, phases, strict=True):
        if phase * share <= 1:  # fewer steps than that: each of them
            assert schedule.num_tests == phase


@st.composite
def clips_and_cosines(draw):
    """Clips with some key frames, and cosines of a few steps, unknown at key frames and here and there."""
    num_frames, num_clips = draw(st.integers(3, 9)), draw(st.integers(1, 5))
    inner = st.sets(st.integers(1, num_frames - 2), max_size=num_frames - 2)
    keys = [sorted({0, num_frames - 1} | draw(inner)) for _ in range(num_clips)]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = random.uniform(-1, 1, (draw(st.integers(1, 6)), 2, num_clips, num_frames)).round(1)
    steps[random.random(steps.shape) < 0.05] = np.nan
    for clip, positions in enumerate(keys):
        steps[:, :, clip, positions] = np.nan
    return keys, num_frames, steps


def qualifying(rule, steps, clip, position):
    """Says in plain Python whether a candidate qualifies, from its cosines (steps, 2)."""
    known = [pair for pair in steps[:, :, clip, position].tolist() if not any(c != c for c in pair)]
    if rule.evidence == "last":
        last = steps[-1, :, clip, position].tolist()
        known = [last] if last in known[-1:] else []
    if not known:
        return False

    def disagrees(pair):
        if rule.metric == "l2":
            return all((2 - 2 * min(cosine, 1.0)) ** 0.5 > rule.epsilon for cosine in pair)
        return all(cosine < rule.epsilon for cosine in pair)

    if rule.evidence == "persistent":
        return sum(map(disagrees, known)) / len(known) >= rule.persistence
    left, right = (sum(side) / len(known) for side in zip(*known, strict=True))
    return disagrees((left, right))


@given(clips_and_cosines(), rules)
@settings(max_examples=300, deadline=None)
def test_a_rule_inserts_at_most_as_specified_and_removes_nothing(drawn, rule):
    keys, num_frames, steps = drawn
    evidence = Evidence(len(keys), num_frames)
    for step in steps:
        rule.gather(step, evidence)
    chosen = rule.choose(evidence, np.random.default_rng(0))
    qualified = [
        {p for p in range(num_frames) if qualifying(rule, steps, clip, p)} for clip in range(len(keys))
    ]
    for clip, qualify in enumerate(qualified):
        picked = [position for number, position in chosen if number == clip]
        most = len(qualify) if rule.insertions == "all" else 1
        assert len(picked) == min(most, len(qualify))
        if rule.selection == "lowest":
            assert set(picked) <= qualify
    frames = [torch.randn(len(positions), 1, 2, 2) for positions in keys]
    key_frames = TrainableKeyFrames(frames, keys, list(range(len(keys))), num_frames)
    before = [dict(zip(k, f, strict=True)) for k, f in zip(keys, frames, strict=True)]
    key_frames.insert(chosen, step=3)
    for clip, positions in enumerate(keys):
        now = key_frames.clip_positions(clip).tolist()
        assert now == sorted({*positions, *(p for number, p in chosen if number == clip)})
        for position, frame in zip(now, key_frames.clip_frames(clip), strict=True):
            if position in before[clip]:
                assert torch.equal(frame, before[clip][position])


@given(clips_and_cosines(), rules, st.data())
@settings(max_examples=200, deadline=None)
def test_evidence_over_chunks_is_that_of_the_whole(drawn, rule, data):
    keys, num_frames, steps = drawn
    cuts = sorted(data.draw(st.sets(st.integers(1, len(keys)))) | {0, len(keys)})
    whole = Evidence(len(keys), num_frames)
    chunks = [Evidence(end - start, num_frames) for start, end in pairwise(cuts)]
    for step in steps:
        rule.gather(step, whole)
        for chunk, (start, end) in zip(chunks, pairwise(cuts), strict=True):
            rule.gather(step[:, start:end], chunk)
    for name in ("cosine_sums", "opposed", "steps"):
        joined = np.concatenate([getattr(chunk, name) for chunk in chunks])
        assert np.array_equal(joined, getattr(whole, name))
    if rule.selection == "random":
        return  # draws are named by the chunk
    chosen = [
        (start + clip, position)
        for chunk, start in zip(chunks, cuts, strict=False)
        for clip, position in rule.choose(chunk, np.random.default_rng(0))
    ]
    assert chosen == rule.choose(whole, np.random.default_rng(0))
