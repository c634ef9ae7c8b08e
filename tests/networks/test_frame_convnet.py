import pytest
import torch
from torch import nn

from dfs_store.errors import SettingsError
from dfs_store.networks import FrameConvNet


@pytest.mark.parametrize(("size", "side"), [(8, 1), (32, 4), (43, 5), (48, 6), (64, 8), (112, 14)])
def test_every_size_has_three_blocks(size, side):
    network = FrameConvNet(5, size)
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.features) == 3
    assert network.classifier.in_features == 128 * side**2
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 5)


def test_it_has_as_many_parameters_as_the_network_of_dc_at_32_pixels():
    # conv 3->128 and twice 128->128 with k3, three affine norms, linear 2048 -> 10
    count = (3 * 9 + 1) * 128 + 2 * (128 * 9 + 1) * 128 + 3 * 256 + 2048 * 10 + 10
    assert sum(p.numel() for p in FrameConvNet(10, 32).parameters()) == count == 320_010


def test_reset_depends_on_the_generator_and_keeps_the_norms():
    network = FrameConvNet(3, 16)
    drawn = []
    for seed in (1, 1, 2):
        network.reset(torch.Generator().manual_seed(seed))
        drawn.append([p.detach().clone() for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(drawn[0], drawn[1], strict=True))
    assert not torch.equal(drawn[0][0], drawn[2][0])
    assert torch.equal(network.features[1].weight, torch.ones(128))


def test_the_normalisation_does_not_mix_frames():
    network, frames = FrameConvNet(3, 16), torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]))


def test_arguments_below_the_minimum_raise_an_error():
    with pytest.raises(SettingsError, match="size >= 8, got 3 and 7"):
        FrameConvNet(3, 7)
