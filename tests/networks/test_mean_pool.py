"""Means and gradients are equal on the CPU and on a simulated GPU, and deterministic there."""

import pytest
import torch

from dfs_store.networks.mean_pool import MeanPool3d


@pytest.mark.parametrize("window", [(1, 1, 1), (2, 2, 2), (2, 7, 1)])
def test_means_and_gradients_equal_the_cpus(work, window):
    maps = torch.randn(2, 3, 4, 8, 5, generator=torch.Generator().manual_seed(0))
    there = maps.to("cuda").requires_grad_()
    maps.requires_grad_()
    pool = MeanPool3d(window)
    one, other = pool(maps), pool(there)
    torch.testing.assert_close(other.detach().cpu(), one.detach())
    torch.testing.assert_close(one, torch.nn.functional.avg_pool3d(maps, window, 1))
    (gradient,) = torch.autograd.grad(one.square().sum(), maps)
    (found,) = torch.autograd.grad(other.square().sum(), there)
    torch.testing.assert_close(found.cpu(), gradient)
    assert work.in_any_order == {}
