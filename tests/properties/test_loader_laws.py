"""Laws of the loaders: a batch equals its items, whatever the store, the options and the order."""

import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from dfs_store import DFSDataset, DFSLoader, open_store
from dfs_store.loaders import interpolate
from dfs_store.loaders.order import EpochOrder
from tests.loaders.stores import IMAGENET, write_store

OPTIONS = st.fixed_dictionaries(
    {
        "layout": st.sampled_from(["CTHW", "TCHW"]),
        "num_frames": st.sampled_from([None, 1, 5, 13]),
        "in_memory": st.booleans(),
        "normalization": st.sampled_from(["stored", None, ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])]),
    }
)


@pytest.fixture(scope="module")
def folder():
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


@st.composite
def stores(draw):
    """Draws what `write_store` needs besides a path."""
    return {
        "dtype": draw(st.sampled_from(["float32", "float16", "uint8"])),
        "num_frames": (num_frames := draw(st.integers(2, 12))),
        "counts": draw(st.lists(st.integers(1, num_frames), min_size=1, max_size=6)),
        "frame_shape": (3, draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        "normalization": draw(st.sampled_from([None, IMAGENET])),
        "seed": draw(st.integers(0, 1000)),
    }


def write(folder, store, suffix=".zarr"):
    return write_store(folder / f"store{suffix}", **store, overwrite=True)


@given(store=stores(), options=OPTIONS, suffix=st.sampled_from([".zarr", ".h5"]), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_batch_equals_its_items(folder, store, options, suffix, data):
    dataset = DFSDataset(write(folder, store, suffix), **options)
    numbers = data.draw(st.lists(st.integers(0, len(dataset) - 1), min_size=1, max_size=8))
    for (clip, label), number in zip(dataset.__getitems__(numbers), numbers, strict=True):
        expected, expected_label = dataset[number]
        torch.testing.assert_close(clip, expected, rtol=0, atol=_tolerance(expected))
        assert label == expected_label
    batch_size = data.draw(st.integers(1, 8))
    loader = DFSLoader(
        dataset, batch_size, shuffle=data.draw(st.booleans()), seed=data.draw(st.integers(0, 9))
    )
    order = loader._order.clips(0)
    clips, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    items = [dataset[number] for number in order.tolist()]
    expected = torch.stack([clip for clip, _ in items])
    torch.testing.assert_close(clips, expected, rtol=0, atol=_tolerance(expected))
    assert labels.tolist() == [label for _, label in items]


@given(store=stores(), options=OPTIONS)
@settings(max_examples=25, deadline=None)
def test_pickling_and_data_loaders_change_nothing(folder, store, options):
    dataset = DFSDataset(write(folder, store), **options)
    again = pickle.loads(pickle.dumps(dataset))
    for batch, other in zip(DataLoader(dataset, 3), DataLoader(again, 3), strict=True):
        assert torch.equal(batch[0], other[0])
        assert torch.equal(batch[1], other[1])
    for (clip, _), number in zip(again, range(len(dataset)), strict=True):
        assert torch.equal(clip, dataset[number][0])


@given(store=stores())
@settings(max_examples=25, deadline=None)
def test_every_reader_rebuilds_the_same_clip(folder, store):
    path = write(folder, store)
    dataset = DFSDataset(path, layout="TCHW")
    with open_store(path) as opened:
        for number in range(len(opened)):
            key_frames, positions = opened.key_frames(number), opened.positions(number)
            tensors = interpolate(torch.from_numpy(key_frames), positions, opened.num_frames)
            clip = dataset[number][0]
            tolerance = _tolerance(torch.from_numpy(key_frames))
            torch.testing.assert_close(clip, tensors, rtol=0, atol=tolerance)
            torch.testing.assert_close(clip, torch.from_numpy(opened.clip(number)), rtol=0, atol=tolerance)
            assert np.array_equal(clip[positions].numpy(), key_frames)


@given(
    num_clips=st.integers(1, 40),
    num_replicas=st.integers(1, 6),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 10**6),
    drop_last=st.booleans(),
    shuffle=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_replicas_share_an_epoch_evenly(num_clips, num_replicas, seed, epoch, drop_last, shuffle):
    shares = [
        EpochOrder(num_clips, 4, shuffle, seed, drop_last, 0.0, num_replicas, rank).clips(epoch)
        for rank in range(num_replicas)
    ]
    assert len({len(share) for share in shares}) == 1
    seen = np.bincount(np.concatenate(shares), minlength=num_clips)
    if drop_last:
        assert seen.max() <= 1
        assert (seen == 0).sum() < num_replicas
    else:
        assert seen.min() >= 1
        assert seen.sum() - num_clips < num_replicas


@given(consumed=st.integers(0, 6), epoch=st.integers(0, 5), seed=st.integers(0, 9), flip=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_resuming_gives_exactly_the_rest(folder, consumed, epoch, seed, flip):
    path = folder / "fixed.zarr"
    if not path.exists():
        write_store(path)
    dataset = DFSDataset(path)
    options = {"shuffle": True, "seed": seed, "horizontal_flip": flip}
    loader = DFSLoader(dataset, 2, **options)
    loader.set_epoch(epoch)
    batches = iter(loader)
    for _ in range(min(consumed, len(loader))):
        next(batches)
    resumed = DFSLoader(dataset, 2, **options)
    resumed.load_state_dict(loader.state_dict())
    for (clips, labels), (same_clips, same_labels) in zip(batches, resumed, strict=True):
        assert torch.equal(clips, same_clips)
        assert torch.equal(labels, same_labels)


def _tolerance(values):
    """Two products and a sum in float32: a few roundings of the largest value."""
    return 4 * torch.finfo(torch.float32).eps * max(1.0, float(values.abs().max()))
