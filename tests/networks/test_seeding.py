"""Seeding is temporary: it leaves the caller's generators unchanged."""

import torch

from dfs_store.networks import build_network
from dfs_store.networks.seeding import seeded


def test_the_numbers_equal_those_of_manual_seed_and_the_callers_continue():
    torch.manual_seed(7)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    following = torch.rand(4)
    torch.manual_seed(3)
    first = torch.rand(2)
    with seeded(7):
        assert torch.equal(torch.rand(2), wanted)
    assert torch.equal(torch.cat([first, torch.rand(2)]), following)


def test_the_generators_of_other_gpus_are_unchanged(work):
    torch.cuda.set_rng_state(torch.full((16,), 9, dtype=torch.uint8), "cuda:0")
    torch.cuda.set_rng_state(torch.full((16,), 8, dtype=torch.uint8), "cuda:1")
    build_network("convnet3d", 2, 4, 43, seed=5)
    with seeded(5, torch.device("cuda", 1)):
        assert torch.cuda.get_rng_state("cuda:1")[0] == 5
        assert torch.cuda.get_rng_state("cuda:0")[0] == 9
    assert [int(torch.cuda.get_rng_state(f"cuda:{number}")[0]) for number in (0, 1)] == [9, 8]
