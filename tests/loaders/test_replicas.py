"""Replicas share an epoch equally, by default as many as torch.distributed reports."""

import multiprocessing

import pytest
import torch
from torch.utils.data import DistributedSampler

from dfs_store import DFSDataset, DFSLoader
from dfs_store.loaders.order import EpochOrder


def orders(num_clips, num_replicas, *, batch_size=2, **options):
    settings = {"shuffle": True, "seed": 0, "drop_last": False, "horizontal_flip": 0.0, **options}
    return [
        EpochOrder(num_clips, batch_size, num_replicas=num_replicas, rank=rank, **settings)
        for rank in range(num_replicas)
    ]


@pytest.mark.parametrize("num_replicas", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("drop_last", [False, True])
def test_shares_equal_those_of_torchs_distributed_sampler(num_replicas, drop_last):
    for rank, order in enumerate(orders(7, num_replicas, shuffle=False, drop_last=drop_last)):
        if drop_last and num_replicas > 7:
            assert order.clips_per_replica == 0
            continue
        sampler = DistributedSampler(
            range(7), num_replicas=num_replicas, rank=rank, shuffle=False, drop_last=drop_last
        )
        assert order.clips(0).tolist() == list(sampler)
        assert order.clips_per_replica == len(sampler)


def test_replicas_cover_every_clip_without_overlap():
    shares = [clip for order in orders(12, 3) for clip in order.clips(3).tolist()]
    assert sorted(shares) == list(range(12))


def test_lengths_are_equal_after_padding(store_path):
    dataset = DFSDataset(store_path)
    loaders = [DFSLoader(dataset, 2, num_replicas=3, rank=rank) for rank in range(3)]
    assert [len(loader) for loader in loaders] == [2, 2, 2]
    assert [sum(len(labels) for _, labels in loader) for loader in loaders] == [3, 3, 3]


def test_flips_do_not_depend_on_the_replica():
    first, second = orders(20, 2, horizontal_flip=0.5)
    assert (first.mirrored(1) == second.mirrored(1)).all()


def test_the_share_is_taken_from_torch_distributed(store_path, tmp_path):
    # Spawned, as torchrun does, so that the state of torch's thread pool is not inherited.
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_report_share, args=(store_path, tmp_path / "meeting", rank, queue))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    shares = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    dataset = DFSDataset(store_path)
    for rank in range(2):
        expected = DFSLoader(dataset, 2, shuffle=True, num_replicas=2, rank=rank)
        assert shares[rank] == [labels.tolist() for _, labels in expected]


def _report_share(store_path, meeting, rank, queue):
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    loader = DFSLoader(DFSDataset(store_path), 2, shuffle=True)
    queue.put((rank, [labels.tolist() for _, labels in loader]))
    torch.distributed.destroy_process_group()
