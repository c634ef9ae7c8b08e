"""ConvNet3D with instance normalisation."""

import torch
import torch.nn.functional as F

from dfs_store.networks import ConvNet3DNorm


def test_it_is_convnet3d_with_instance_normalisation_before_relu_and_pooling():
    network = ConvNet3DNorm(3, 4, 43).eval()
    maps = clips = torch.randn(2, 4, 3, 43, 43, generator=torch.Generator().manual_seed(0))
    maps = maps.transpose(1, 2)
    with torch.no_grad():
        for number in range(3):
            convolution = network.features[3 * number]
            window = (1, 2, 2) if number == 0 else (2, 2, 2)
            maps = F.max_pool3d(F.relu(F.instance_norm(convolution(maps))), window)
        embedded = network.embed(clips)
    assert embedded.shape == (2, network.num_features)
    torch.testing.assert_close(embedded, maps.flatten(1), atol=1e-5, rtol=1e-4)


def test_clips_in_a_batch_do_not_affect_one_another():
    network = ConvNet3DNorm(3, 4, 43).eval()
    clips = torch.randn(3, 4, 3, 43, 43, generator=torch.Generator().manual_seed(0))
    clips[1] *= 9
    alone = torch.cat([network(clip[None]) for clip in clips])
    torch.testing.assert_close(network(clips), alone, atol=1e-5, rtol=1e-4)


def test_the_normalisation_is_trained():
    network = ConvNet3DNorm(3, 4, 43)
    network(torch.randn(2, 4, 3, 43, 43)).sum().backward()
    assert (
        sum(p.grad is not None for n, p in network.named_parameters() if "features" in n and p.ndim == 1) == 9
    )
