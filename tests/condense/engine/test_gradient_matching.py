"""Gradient matching compared with plain loops and finite differences."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dfs_store.condense.engine.gradient_matching import gradient_distance, match_gradients
from dfs_store.networks import FrameConvNet


def test_the_distance_on_hand_made_gradients():
    # Output channels: parallel (0), opposite (2), at right angles (1); the bias does not count.
    real = [torch.tensor([[1.0, 0], [1, 1], [0, 3]]), torch.tensor([5.0, 5, 5])]
    synthetic = [torch.tensor([[2.0, 0], [-1, -1], [4, 0]]), torch.tensor([-5.0, 0, 1])]
    assert float(gradient_distance(real, synthetic)) == pytest.approx(3.0)


def test_the_distance_equals_a_plain_loop_over_layers_and_channels():
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3, 3, 3), (4,), (2, 16)]
    real, synthetic = ([torch.randn(s, generator=generator) for s in shapes] for _ in range(2))
    total = 0.0
    for one, other in zip(real, synthetic, strict=True):
        for a, b in zip(one, other, strict=True):
            if one.ndim > 1:
                total += 1 - float((a * b).sum() / (a.norm() * b.norm()))
    assert float(gradient_distance(real, synthetic)) == pytest.approx(total, rel=1e-5)


def distance(network, real, synthetic, label):
    grads = []
    for frames in (real, synthetic):
        loss = F.cross_entropy(network(frames), torch.full((len(frames),), label))
        grads.append(torch.autograd.grad(loss, list(network.parameters())))
    return float(gradient_distance(*grads))


def test_value_and_gradient_agree_with_finite_differences():
    torch.manual_seed(0)
    # Smooth and in double precision, so that finite differences are meaningful.
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(64, 2)).double()
    real, synthetic = torch.randn(5, 3, 4, 4).double(), torch.randn(2, 3, 4, 4).double()
    before = [p.detach().clone() for p in network.parameters()]
    found, gradient = match_gradients(network, real, synthetic, 1)
    value = float(found)
    assert value == pytest.approx(distance(network, real, synthetic, 1), rel=1e-9)
    for place in ((0, 0, 0, 0), (1, 2, 3, 1), (0, 1, 2, 2)):
        moved = synthetic.clone()
        moved[place] += 1e-5
        slope = (distance(network, real, moved, 1) - value) / 1e-5
        assert float(gradient[place]) == pytest.approx(slope, rel=1e-3, abs=1e-7)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_equal_frames_have_distance_zero():
    network, frames = FrameConvNet(2, 8), torch.randn(3, 3, 8, 8)
    assert float(match_gradients(network, frames, frames, 0)[0]) == pytest.approx(0, abs=1e-2)


def test_gradient_steps_reduce_the_distance():
    torch.manual_seed(0)
    # 32 pixels, as in DC; with 8 pixels, the three blocks would leave one value per channel.
    network, real, synthetic = FrameConvNet(2, 32), torch.randn(6, 3, 32, 32) + 1, torch.randn(2, 3, 32, 32)
    first = None
    for _ in range(20):
        value, gradient = match_gradients(network, real, synthetic, 0)
        first = value if first is None else first
        synthetic = synthetic - gradient
    assert value < 0.8 * first
