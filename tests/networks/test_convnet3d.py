"""ConvNet3D compared with the public code."""

import pytest
import torch
from torch import nn

from dfs_store.errors import SettingsError
from dfs_store.networks import ConvNet3D


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_it_has_the_published_number_of_parameters():
    assert parameters(ConvNet3D(50, 16, 112)) == 3_647_666


@pytest.mark.parametrize(
    ("num_frames", "size", "features"), [(16, 112, 2048), (8, 64, 256), (8, 48, 256), (4, 43, 128)]
)
def test_embeddings_have_the_published_length(num_frames, size, features):
    network = ConvNet3D(7, num_frames, size).eval()
    clips = torch.zeros(2, num_frames, 3, size, size)
    assert network.num_features == features
    assert network.embed(clips).shape == (2, features)
    assert network(clips).shape == (2, 7)


@pytest.mark.parametrize("size", [43, 65, 86, 106, 112])
@pytest.mark.parametrize("num_frames", [4, 6])
def test_sizes_for_which_the_public_code_crashes_work(num_frames, size):
    assert ConvNet3D(3, num_frames, size).eval()(torch.zeros(1, num_frames, 3, size, size)).shape == (1, 3)


def test_clips_in_a_batch_do_not_affect_one_another():
    network = ConvNet3D(3, 4, 43).eval()
    clips = torch.randn(3, 4, 3, 43, 43, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([network.embed(clip[None]) for clip in clips])
    torch.testing.assert_close(network.embed(clips), alone, atol=1e-6, rtol=1e-5)


def test_reset_draws_pytorchs_distribution_from_the_given_generator():
    one, other = ConvNet3D(3, 4, 43), ConvNet3D(3, 4, 43)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    for network in (one, other):
        network.reset(torch.Generator().manual_seed(7))
    assert torch.equal(torch.random.get_rng_state(), before)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    for module in one.modules():
        if isinstance(module, nn.Conv3d):
            bound = 1 / module.weight[0].numel() ** 0.5
            assert float(module.weight.detach().abs().max()) <= bound
            assert float(module.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.1)
            assert float(module.bias.detach().abs().max()) <= bound


@pytest.mark.parametrize(("num_frames", "size"), [(4, 43), (8, 64), (16, 112)])
def test_memory_formats_do_not_change_values(num_frames, size):
    network = ConvNet3D(3, num_frames, size).eval()
    clips = torch.randn(2, num_frames, 3, size, size, generator=torch.Generator().manual_seed(0))
    # The order of layers in the public code: convolution, ReLU, pooling.
    maps = clips.transpose(1, 2).requires_grad_()
    expected = maps
    for number in range(3):
        convolution, pool, relu = network.features[3 * number : 3 * number + 3]
        expected = pool(relu(convolution(expected)))
    expected = expected.flatten(1)
    (gradient,) = torch.autograd.grad(expected.square().sum(), maps)
    for _ in range(2):  # with the default memory format of weights, then with the fast one
        given = clips.clone().requires_grad_()
        found = network.embed(given)
        (found_gradient,) = torch.autograd.grad(found.square().sum(), given)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found_gradient, gradient.transpose(1, 2), rtol=1e-4, atol=1e-6)
        network.order_weights()


@pytest.mark.parametrize("num_clips", [0, 1, 45])
def test_pieces_without_gradients_do_not_change_values(num_clips):
    network = ConvNet3D(3, 4, 43).eval()  # 44 clips at a time
    clips = torch.randn(num_clips, 4, 3, 43, 43, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = network.embed(clips)
    assert found.shape == (num_clips, network.num_features)
    torch.testing.assert_close(found, network.embed(clips).detach(), rtol=1e-4, atol=1e-6)


def test_embeddings_depend_on_the_order_of_frames():
    """The logit is the maximum over time, so a reversed clip scores differently."""
    network = ConvNet3D(3, 16, 43).eval()
    network.reset(torch.Generator().manual_seed(1))
    clip = torch.randn(1, 16, 3, 43, 43, generator=torch.Generator().manual_seed(2))
    assert not torch.allclose(network.embed(clip), network.embed(clip.flip(1)))


@pytest.mark.parametrize(
    ("arguments", "said"), [((3, 4, 42), "43 pixels"), ((3, 3, 43), "4 frames"), ((0, 4, 43), "1 class")]
)
def test_arguments_below_the_minimum_raise_an_error(arguments, said):
    with pytest.raises(SettingsError, match=said):
        ConvNet3D(*arguments)
