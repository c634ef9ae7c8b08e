"""Packed batches: workers send key frames, and the rebuilt clips equal those of a DFSLoader."""

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Subset, default_collate

from dfs_store import DFSDataset, DFSLoader
from dfs_store.errors import SettingsError
from tests.loaders.stores import write_store


def doubled(label):
    return 2 * label


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("stored", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_rebuilt_batches_equal_those_of_a_loader(tmp_path, stored, in_memory, num_workers):
    path = write_store(tmp_path / "store.zarr", dtype=stored)
    dataset = DFSDataset(path, in_memory=in_memory, num_frames=5, target_transform=doubled)
    packed = dataset.packed()
    assert len(packed) == len(dataset)
    batches = [packed.rebuild(batch) for batch in DataLoader(packed, 3, num_workers=num_workers)]
    assert torch.equal(packed.rebuild(packed[[2, 0]])[0], packed.rebuild(packed.__getitems__([2, 0])[0])[0])
    for (clips, labels), (expected, expected_labels) in zip(batches, DFSLoader(dataset, 3), strict=True):
        assert torch.equal(clips, expected)
        assert torch.equal(labels, expected_labels)


def test_spawned_workers_unpickle_it(store_path):
    packed = DFSDataset(store_path, in_memory=False).packed(dtype=torch.float64)
    text = pickle.dumps(packed)
    assert len(text) < 3000
    again = pickle.loads(text)
    clips, labels = again.rebuild(packed[3])
    assert clips.dtype == torch.float64
    assert torch.equal(clips, packed.rebuild(packed[3])[0])
    assert labels.tolist() == [packed.dataset.targets[3]]


def test_a_batch_contains_only_the_stored_bytes_of_its_key_frames(tmp_path):
    dataset = DFSDataset(write_store(tmp_path / "store.zarr", dtype="uint8"))
    (batch,) = dataset.packed().__getitems__([1, 3])
    assert len(batch) == 2
    assert batch.key_frames.frames.dtype == torch.uint8
    assert batch.key_frames.frames.shape == (5 + 1, *dataset.frame_shape)


@pytest.mark.parametrize("stored", ["float32", "uint8"])
def test_clips_requested_one_by_one_are_joined(tmp_path, stored):
    dataset = DFSDataset(write_store(tmp_path / "store.zarr", dtype=stored))
    packed = dataset.packed()
    clips, labels = packed.rebuild(default_collate([packed[2], packed[-1], packed[0]]))
    assert torch.equal(clips, torch.stack([dataset[number][0] for number in (2, -1, 0)]))
    assert labels.tolist() == [dataset.targets[number] for number in (2, -1, 0)]


def test_a_subset_is_packed(store_path):
    dataset = DFSDataset(store_path)
    packed = dataset.packed()
    (batch,) = DataLoader(Subset(packed, [5, 1]), 2)
    assert torch.equal(packed.rebuild(batch)[0], torch.stack([dataset[5][0], dataset[1][0]]))


def test_kept_batches_never_change(store_path):
    dataset = DFSDataset(store_path)
    packed = dataset.packed()
    kept = [packed.rebuild(batch)[0] for _ in range(3) for batch in DataLoader(packed, 2)]
    expected = torch.stack([clip for clip, _ in dataset]).split(2)
    for number, clips in enumerate(kept):
        assert torch.equal(clips, expected[number % len(expected)])


def test_unsupported_options_are_refused(store_path):
    transformed = DFSDataset(store_path, transform=torch.neg)
    with pytest.raises(
        SettingsError, match=r"packed\(\) rebuilds whole batches.*transform the rebuilt batch"
    ):
        transformed.packed()
    dataset = DFSDataset(store_path)
    with pytest.raises(SettingsError, match=r"dtype.*int64"):
        dataset.packed(dtype=torch.int64)
    with pytest.raises(SettingsError, match=r"device.*nowhere"):
        dataset.packed(device="nowhere")
    with pytest.raises(IndexError, match=r"clip index 7 is not in"):
        dataset.packed()[7]
