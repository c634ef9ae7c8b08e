"""What a step of SGD does to the loss, to first order, for any positions, frames and smooth losses.

With W of Eq. 3 and G the gradient with respect to the rendered frames, the key frames move by -lr * W^T G and
the loss by -lr * ||W^T G||^2, which is never positive.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dfs_store import testing
from dfs_store.condense.engine.insertion.rule import adjacent_cosines, gradient_dots
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.interpolation import weight_matrix

FRAME = (2, 2, 3)
EMBEDDING_SIZE = 5

# Functions of one value and the largest absolute value of their second derivative; the last is not convex.
SMOOTH = {
    "square": (lambda z: z.square() / 2, 1.0),
    "softplus": (F.softplus, 0.25),
    "log-cosh": (lambda z: z + F.softplus(-2 * z), 1.0),
    "cosine": (lambda z: 1 - z.cos(), 1.0),
}


def noise(draw, *shape):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return torch.randn(shape, generator=generator)


@st.composite
def trained_clips(draw, fewest=1):
    """Draws one to three clips of the same length, of different numbers of key frames."""
    num_frames = draw(st.integers(2, 12))
    drawn = draw(st.lists(testing.positions(num_frames), min_size=1, max_size=3))
    assume(all(len(positions) >= fewest for positions in drawn))
    frames = [noise(draw, len(positions), *FRAME) for positions in drawn]
    return TrainableKeyFrames(frames, drawn, [0] * len(drawn), num_frames)


def rendered(clips, frames):
    """Renders other values at the same positions."""
    counts = np.diff(clips.offsets).tolist()
    positions = [clips.clip_positions(clip) for clip in range(len(counts))]
    return TrainableKeyFrames(torch.split(frames, counts), positions, clips.labels, clips.num_frames).render()


@given(trained_clips(), st.data())
@settings(max_examples=80, deadline=None)
def test_pulling_back_is_the_adjoint_of_rendering(clips, data):
    gradient = noise(data.draw, *clips.render().shape)
    pulled = clips.pull_back(gradient)
    # Of any change of the key frames, and of the one that a step of SGD makes.
    for change in (noise(data.draw, *pulled.shape), pulled):
        moved = rendered(clips, change)
        slack = 1e-5 * float(gradient.norm() * moved.norm())
        assert float((gradient * moved).sum()) == pytest.approx(float((change * pulled).sum()), abs=slack)
    assert float((gradient * moved).sum()) == pytest.approx(float(pulled.square().sum()), rel=1e-4)


@given(trained_clips(), st.sampled_from(sorted(SMOOTH)), st.sampled_from([0.05, 0.2, 1.0]), st.data())
@settings(max_examples=120, deadline=None)
def test_a_small_step_lowers_a_smooth_loss_by_the_squared_gradient(clips, name, share, data):
    function, curvature = SMOOTH[name]
    embed = noise(data.draw, EMBEDDING_SIZE, clips.render().numel()).double()
    target = noise(data.draw, EMBEDDING_SIZE).double()

    def loss_of(frames):
        return function(embed @ frames.double().flatten() - target).sum()

    frames = clips.render().requires_grad_()
    loss = loss_of(frames)
    (gradient,) = torch.autograd.grad(loss, frames)
    before = float(loss.detach())
    pulled = clips.pull_back(gradient)
    squared = float(pulled.double().square().sum())
    # At most so steep does the gradient with respect to the key frames change.
    widest = max(
        np.linalg.norm(weight_matrix(clips.clip_positions(clip), clips.num_frames), 2)
        for clip in range(len(clips))
    )
    steepness = curvature * float(torch.linalg.matrix_norm(embed, 2) * widest) ** 2
    lr = share / steepness
    assume(lr * squared > 1e-3 * abs(before))  # a smaller fall would drown in the rounding of float32
    clips.step(pulled, lr=lr, momentum=0.95)  # the first one: nothing of an earlier step is left
    fall = before - float(loss_of(clips.render()))
    assert fall > 0
    # Taylor: what is left after the first order is at most steepness / 2 * (lr * ||W^T G||)^2.
    assert fall / (lr * squared) == pytest.approx(1, abs=share / 2 + 0.02)


@given(trained_clips(fewest=2), st.data())
@settings(max_examples=80, deadline=None)
def test_a_candidate_qualifies_if_its_neighbours_own_gradients_raise_its_part_of_the_loss(clips, data):
    """Lemma 1 argues with the gradients of single frames; so does the reading `frame`."""
    gradient = noise(data.draw, *clips.render().shape)
    left, right = adjacent_cosines(gradient_dots(gradient), clips, "frame")
    own = gradient[torch.from_numpy(clips.clips), torch.from_numpy(clips.positions)]
    # Where the rendered frames go if every key frame steps along its own frame's gradient.
    change = -(gradient * rendered(clips, own)).flatten(2).sum(2)
    qualifies = (left < -1e-6) & (right < -1e-6)
    agrees = (left > 1e-6) & (right > 1e-6)
    assert (change[qualifies] > 0).all()
    assert (change[agrees] < 0).all()


def test_a_step_by_own_gradients_can_raise_the_whole_loss():
    """Why SGD moves key frames by the accumulated gradient: here the frame between them weighs more."""
    clips = TrainableKeyFrames([torch.zeros(2, 1, 1, 1)], [[0, 2]], [0], 3)
    gradient = torch.tensor([1.0, -4.0, 1.0]).view(1, 3, 1, 1, 1)
    own = gradient[0, [0, 2]]
    assert float(-(gradient * rendered(clips, own)).sum()) == pytest.approx(2)
    assert float(-(gradient * rendered(clips, clips.pull_back(gradient))).sum()) == pytest.approx(-2)
