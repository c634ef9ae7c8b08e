"""Interpolation, its adjoint, the SGD step and insertion of trainable key frames."""

import numpy as np
import pytest
import torch

from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.errors import ClipError, PositionsError
from dfs_store.interpolation import weight_matrix

POSITIONS = [[0, 7], [0, 3, 7], [0, 1, 5, 7], [0]]


def make(positions=POSITIONS, num_frames=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(len(p), 3, 4, 5, generator=generator) for p in positions]
    return TrainableKeyFrames(frames, positions, list(range(len(positions))), num_frames), frames


def test_rendering_is_the_weight_matrix_times_the_key_frames():
    key_frames, frames = make()
    rendered = key_frames.render()
    assert rendered.shape == (4, 8, 3, 4, 5)
    for clip, (positions, keys) in enumerate(zip(POSITIONS, frames, strict=True)):
        expected = np.tensordot(weight_matrix(positions, 8), keys.numpy(), axes=1)
        np.testing.assert_allclose(rendered[clip].numpy(), expected, atol=1e-6)
        assert torch.equal(rendered[clip, positions], keys)


def test_pull_back_equals_the_gradient_of_autograd():
    key_frames, frames = make()
    leaves = [f.clone().requires_grad_() for f in frames]
    rendered = torch.stack(
        [
            torch.tensordot(torch.from_numpy(weight_matrix(p, 8)), k, dims=1)
            for p, k in zip(POSITIONS, leaves, strict=True)
        ]
    )
    gradient = torch.randn(rendered.shape, generator=torch.Generator().manual_seed(3))
    rendered.backward(gradient)
    expected = torch.cat([leaf.grad for leaf in leaves])
    torch.testing.assert_close(key_frames.pull_back(gradient), expected)


def test_a_step_equals_a_step_of_torch_sgd():
    key_frames, _ = make()
    parameter = key_frames.frames.clone().requires_grad_()
    optimizer = torch.optim.SGD([parameter], lr=0.3, momentum=0.95)
    generator = torch.Generator().manual_seed(4)
    for _ in range(4):
        gradient = torch.randn(parameter.shape, generator=generator)
        parameter.grad = gradient.clone()
        optimizer.step()
        key_frames.step(gradient, lr=0.3, momentum=0.95)
    torch.testing.assert_close(key_frames.frames, parameter.detach())


def test_an_inserted_key_frame_is_the_interpolant_with_zero_momentum():
    key_frames, _ = make()
    key_frames.step(torch.ones_like(key_frames.frames), lr=0.1, momentum=0.9)
    before, momentum = key_frames.render(), key_frames.momentum.clone()
    key_frames.insert([(1, 5), (0, 2)], step=17)
    assert key_frames.clip_positions(0).tolist() == [0, 2, 7]
    assert key_frames.clip_positions(1).tolist() == [0, 3, 5, 7]
    assert key_frames.inserted_at.tolist() == [-1, 17, -1, -1, -1, 17, -1, -1, -1, -1, -1, -1]
    torch.testing.assert_close(key_frames.clip_frames(0)[1], before[0, 2])
    torch.testing.assert_close(key_frames.clip_frames(1)[2], before[1, 5])
    torch.testing.assert_close(key_frames.render(), before)
    new = torch.from_numpy(key_frames.inserted_at == 17)
    assert (key_frames.momentum[new] == 0).all()
    assert torch.equal(key_frames.momentum[~new], momentum)


@pytest.mark.parametrize(
    ("clip", "position"), [(0, 0), (0, 7), (0, 8), (0, -1), (1, 3), (3, 4)], ids=lambda v: str(v)
)
def test_inserting_at_a_position_that_is_not_a_candidate_raises_an_error(clip, position):
    key_frames, _ = make()
    before = key_frames.frames.clone()
    with pytest.raises(PositionsError, match=str(position) if clip != 3 else "only one key frame"):
        key_frames.insert([(clip, position)], step=0)
    assert torch.equal(key_frames.frames, before)


def test_inserting_twice_at_the_same_position_raises_an_error():
    key_frames, _ = make()
    with pytest.raises(PositionsError):
        key_frames.insert([(0, 3), (0, 3)], step=0)


def test_inconsistent_numbers_of_key_frames_raise_an_error():
    with pytest.raises(ClipError, match="got 2 key frames and 3 positions"):
        TrainableKeyFrames([torch.zeros(2, 1, 1, 1)], [[0, 1, 3]], [0], 4)
    with pytest.raises(ClipError, match="1, 1 and 2"):
        TrainableKeyFrames([torch.zeros(2, 1, 1, 1)], [[0, 3]], [0, 1], 4)
