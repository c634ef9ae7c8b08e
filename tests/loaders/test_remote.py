"""Datasets of remote stores return the same clips, even in workers, with few requests."""

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
    """Returns the path of a local store and the URLs of its copies."""
    path = write_store(tmp_path / "s.zarr")
    urls = {suffix: f"{bucket}/s{suffix}" for suffix in SUFFIXES}
    for url in urls.values():
        copy_store(path, url)
    return path, urls


def clips_of(loader):
    return torch.cat([clips for clips, _ in loader])


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_dataset_from_a_url_equals_one_from_a_path(stores, s3, in_memory):
    path, urls = stores
    wanted = clips_of(DataLoader(DFSDataset(path), 3))
    for url in urls.values():
        dataset = DFSDataset(url, in_memory=in_memory)
        before = len(s3.requests())
        assert torch.equal(clips_of(DataLoader(dataset, 3)), wanted)
        assert torch.equal(clips_of(DFSLoader(dataset, 3)), wanted)
        if in_memory:  # downloaded once, when the dataset was created
            assert len(s3.requests()) == before
        assert url in repr(dataset)


def test_local_and_remote_stores_join(stores):
    path, urls = stores
    joined = DFSDataset([path, urls[".h5"]], in_memory=False)
    half = len(joined) // 2
    np.testing.assert_array_equal(joined[half][0], joined[0][0])


def test_a_batch_is_requested_at_once(stores, s3):
    _, urls = stores
    for url in urls.values():
        dataset = DFSDataset(url, in_memory=False)
        dataset[0]  # a shard's index is cached from here on
        before = len(s3.requests())
        dataset.__getitems__(list(range(len(dataset))))
        assert len(s3.requests()) - before == 1


@pytest.mark.parametrize(("context", "suffix"), [("fork", ".zarr"), ("fork", ".h5"), ("spawn", ".zarr.zip")])
def test_workers_open_their_own_connections(stores, context, suffix):
    path, urls = stores
    wanted = clips_of(DataLoader(DFSDataset(path), 2))
    dataset = DFSDataset(urls[suffix], in_memory=False)
    dataset[0]  # this process uses its connection before workers are forked
    loader = DataLoader(dataset, 2, num_workers=2, multiprocessing_context=context)
    assert torch.equal(clips_of(loader), wanted)
    assert torch.equal(dataset[0][0], wanted[0])  # and still works afterwards
    packed = dataset.packed()
    if context == "fork":
        loader = DataLoader(packed, 2, num_workers=1, multiprocessing_context=context)
        assert torch.equal(torch.cat([packed.rebuild(batch)[0] for batch in loader]), wanted)


def test_a_url_passed_through_pathlib_is_recognised():
    with pytest.raises(StoreNotFoundError, match=r"pass a URL as a string \(s3://"):
        DFSDataset("s3:/bucket/s.zarr")
