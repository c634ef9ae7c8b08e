"""Datasets of remote stores: the same clips, also in workers that are forked or spawned, and few requests."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from dfs_store import DFSDataset, DFSLoader
from dfs_store.errors import StoreNotFoundError
from dfs_store.format import copy_store
from tests.loaders.stores import write_store

SUFFIXES = (".zarr", ".zarr.zip", ".h5")


@pytest.fixture
def stores(tmp_path, bucket):
    """A local store, and the URLs of its copies."""
    path = write_store(tmp_path / "s.zarr")
    urls = {suffix: f"{bucket}/s{suffix}" for suffix in SUFFIXES}
    for url in urls.values():
        copy_store(path, url)
    return path, urls


def clips_of(loader):
    return torch.cat([clips for clips, _ in loader])


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_dataset_of_a_url_gives_the_clips_of_the_path(stores, s3, in_memory):
    path, urls = stores
    wanted = clips_of(DataLoader(DFSDataset(path), 3))
    for url in urls.values():
        dataset = DFSDataset(url, in_memory=in_memory)
        before = len(s3.requests())
        assert torch.equal(clips_of(DataLoader(dataset, 3)), wanted)
        assert torch.equal(clips_of(DFSLoader(dataset, 3)), wanted)
        if in_memory:  # downloaded once, when it was made
            assert len(s3.requests()) == before
        assert url in repr(dataset)


def test_stores_of_both_kinds_join(stores):
    path, urls = stores
    joined = DFSDataset([path, urls[".h5"]], in_memory=False)
    half = len(joined) // 2
    np.testing.assert_array_equal(joined[half][0], joined[0][0])


def test_a_batch_is_asked_for_at_once(stores, s3):
    _, urls = stores
    for url in urls.values():
        dataset = DFSDataset(url, in_memory=False)
        dataset[0]  # a shard's index is known from here on
        before = len(s3.requests())
        dataset.__getitems__(list(range(len(dataset))))
        assert len(s3.requests()) - before == 1


@pytest.mark.parametrize(("context", "suffix"), [("fork", ".zarr"), ("fork", ".h5"), ("spawn", ".zarr.zip")])
def test_workers_open_their_own_connections(stores, context, suffix):
    path, urls = stores
    wanted = clips_of(DataLoader(DFSDataset(path), 2))
    dataset = DFSDataset(urls[suffix], in_memory=False)
    dataset[0]  # the connection of this process is in use before the workers are forked from it
    loader = DataLoader(dataset, 2, num_workers=2, multiprocessing_context=context)
    assert torch.equal(clips_of(loader), wanted)
    assert torch.equal(dataset[0][0], wanted[0])  # and works on afterwards
    packed = dataset.packed()
    if context == "fork":
        loader = DataLoader(packed, 2, num_workers=1, multiprocessing_context=context)
        assert torch.equal(torch.cat([packed.rebuild(batch)[0] for batch in loader]), wanted)


def test_a_url_that_went_through_pathlib_is_recognised():
    with pytest.raises(StoreNotFoundError, match=r"pass a URL as a string \(s3://"):
        DFSDataset("s3:/bucket/s.zarr")
