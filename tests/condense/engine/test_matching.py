"""The loss and its gradient compared with a plain loop over the paper's formula."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.engine.matching import class_means, match
from dfs_store.interpolation import weight_matrix
from dfs_store.networks import ConvNet3D

NUM_FRAMES, SIZE, CLASSES, VPC = 6, 43, 3, 2
POSITIONS = [[0, 5], [0, 2, 5], [0, 1, 3, 5], [0, 5], [0, 4, 5], [0, 5]]


@pytest.fixture(scope="module")
def network():
    network = ConvNet3D(CLASSES, NUM_FRAMES, SIZE)
    network.reset(torch.Generator().manual_seed(0))
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def clips():
    generator = torch.Generator().manual_seed(1)
    keys = [torch.randn(len(p), 3, SIZE, SIZE, generator=generator) for p in POSITIONS]
    real = [torch.randn(n, NUM_FRAMES, 3, SIZE, SIZE, generator=generator) for n in (4, 3, 4)]
    return keys, real


@pytest.fixture(scope="module")
def plain(network, clips):
    """Eq. 8 as a loop over classes, differentiated by autograd down to the key frames."""
    keys, real = clips
    leaves = [k.clone().requires_grad_() for k in keys]
    loss = torch.zeros(())
    for label in range(CLASSES):
        own = range(label * VPC, (label + 1) * VPC)
        rendered = torch.stack(
            [
                torch.tensordot(torch.from_numpy(weight_matrix(POSITIONS[i], NUM_FRAMES)), leaves[i], dims=1)
                for i in own
            ]
        )
        real_mean = torch.stack([network.embed(clip[None])[0] for clip in real[label]]).mean(0)
        synthetic_mean = torch.stack([network.embed(clip[None])[0] for clip in rendered]).mean(0)
        loss = loss + ((real_mean - synthetic_mean) ** 2).sum()
    loss.backward()
    return float(loss.detach()), torch.cat([leaf.grad for leaf in leaves])


@pytest.mark.parametrize("cuts", [[6], [2, 4], [1, 5], [1, 1, 1, 1, 1, 1]], ids=str)
def test_loss_and_gradient_equal_those_of_the_plain_loop(network, clips, plain, cuts):
    """This includes classes whose clips are in several chunks."""
    keys, real = clips
    bounds = np.concatenate(([0], np.cumsum(cuts)))
    chunks = [
        TrainableKeyFrames(keys[a:b], POSITIONS[a:b], [i // VPC for i in range(a, b)], NUM_FRAMES)
        for a, b in pairwise(bounds)
    ]
    means = class_means(network, iter(real))
    results = list(match(network, chunks, means))
    assert [chunk for chunk, _, _ in results] == chunks
    loss = sum(float(part) for _, part, _ in results)
    gradient = torch.cat([chunk.pull_back(g) for chunk, _, g in results])
    wanted_loss, wanted_gradient = plain
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    scale = wanted_gradient.abs().max()
    assert ((gradient - wanted_gradient).abs().max() / scale).item() < 1e-5


def test_class_means_are_means_of_embeddings(network, clips):
    means = class_means(network, iter(clips[1]))
    assert means.shape == (CLASSES, network.num_features)
    assert not means.is_inference()
    expected = torch.stack([network.embed(clip[None])[0] for clip in clips[1][1]]).mean(0)
    torch.testing.assert_close(means[1], expected, atol=1e-6, rtol=1e-5)


def test_bf16_is_close_but_not_equal(network, clips):
    exact = class_means(network, iter(clips[1]))
    near = class_means(network, iter(clips[1]), precision="bf16")
    difference = float((near - exact).norm() / exact.norm())
    assert 0 < difference < 0.02
