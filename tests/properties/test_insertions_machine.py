"""A machine that inserts key frames in any order, beside a plain dictionary of what must be there."""

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dfs_store.condense.engine.key_frames import TrainableKeyFrames

FRAME = (2, 3, 2)


class Insertions(RuleBasedStateMachine):
    """Insertion never removes, reorders or changes a clip; steps move key frames and nothing else."""

    @initialize(
        num_frames=st.integers(3, 12), num_clips=st.integers(1, 4), seed=st.integers(0, 2**16), data=st.data()
    )
    def start(self, num_frames, num_clips, seed, data):
        inner = st.sets(st.integers(1, num_frames - 2), max_size=2)
        starts = [sorted({0, num_frames - 1} | data.draw(inner)) for _ in range(num_clips)]
        generator = torch.Generator().manual_seed(seed)
        frames = [torch.randn(len(p), *FRAME, generator=generator) for p in starts]
        self.key_frames = TrainableKeyFrames(frames, starts, list(range(num_clips)), num_frames)
        self.model = [dict.fromkeys(p, -1) for p in starts]
        self.steps = 0

    def free(self):
        last = self.key_frames.num_frames - 1
        return [(c, p) for c, keys in enumerate(self.model) for p in range(1, last) if p not in keys]

    @precondition(lambda self: self.free())
    @rule(data=st.data())
    def insert(self, data):
        chosen = data.draw(st.lists(st.sampled_from(self.free()), min_size=1, max_size=3, unique=True))
        before = self.key_frames.render()
        old = {
            (c, p): frame.clone()
            for c in range(len(self.model))
            for p, frame in zip(
                self.key_frames.clip_positions(c), self.key_frames.clip_frames(c), strict=True
            )
        }
        self.key_frames.insert(chosen, self.steps)
        for clip, position in chosen:
            self.model[clip][position] = self.steps
        torch.testing.assert_close(self.key_frames.render(), before, atol=1e-5, rtol=1e-5)
        for clip in range(len(self.model)):
            for position, frame in zip(
                self.key_frames.clip_positions(clip), self.key_frames.clip_frames(clip), strict=True
            ):
                if (clip, position) in old:
                    assert torch.equal(frame, old[clip, position])

    @rule(seed=st.integers(0, 2**16))
    def step(self, seed):
        gradient = torch.randn(self.key_frames.frames.shape, generator=torch.Generator().manual_seed(seed))
        frames = self.key_frames.frames.clone()
        velocity = 0.5 * self.key_frames.momentum + gradient
        self.key_frames.step(gradient, lr=0.1, momentum=0.5)
        torch.testing.assert_close(self.key_frames.frames, frames - 0.1 * velocity)
        self.steps += 1

    @invariant()
    def the_index_is_the_dictionary(self):
        key_frames = self.key_frames
        assert key_frames.offsets[-1] == key_frames.frames.shape[0] == key_frames.momentum.shape[0]
        for clip, keys in enumerate(self.model):
            span = slice(key_frames.offsets[clip], key_frames.offsets[clip + 1])
            assert key_frames.clip_positions(clip).tolist() == sorted(keys)
            assert key_frames.inserted_at[span].tolist() == [keys[p] for p in sorted(keys)]
            assert 1 <= len(keys) <= key_frames.num_frames

    @invariant()
    def the_adjoint_is_the_adjoint(self):
        # <render(k), g> == <k, pull_back(g)> for every key-frame set that can arise.
        rendered = self.key_frames.render().double()
        gradient = torch.from_numpy(np.random.default_rng(self.steps).standard_normal(rendered.shape))
        left = (rendered * gradient).sum()
        right = (self.key_frames.frames.double() * self.key_frames.pull_back(gradient.float()).double()).sum()
        scale = rendered.norm() * gradient.norm() + 1
        assert abs(left - right) / scale < 1e-5


TestInsertions = Insertions.TestCase
TestInsertions.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
