"""Pickling, forked and spawned workers, and stores that were closed or replaced."""

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from dfs_store import DFSDataset
from dfs_store.errors import DamagedStoreError, DFSError, SettingsError, StoreNotFoundError
from tests.loaders.stores import assert_same, write_store


def negated(video):
    return -video


def doubled(label):
    return 2 * label


@pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # the point of fork
@pytest.mark.parametrize(
    ("context", "suffix", "in_memory", "num_workers"),
    [
        ("fork", ".zarr", True, 2),
        ("fork", ".zarr", False, 2),
        ("fork", ".h5", False, 2),
        ("spawn", ".zarr", False, 1),  # one, since each needs seconds to import torch
    ],
)
def test_workers_return_the_same_batches(tmp_path, context, suffix, in_memory, num_workers):
    path = write_store(tmp_path / f"store{suffix}", dtype="uint8")
    dataset = DFSDataset(path, in_memory=in_memory, num_frames=5)
    dataset[0]  # files are open before the fork
    options = {"batch_size": 3, "shuffle": False}
    alone = list(DataLoader(dataset, **options))
    together = list(DataLoader(dataset, **options, num_workers=num_workers, multiprocessing_context=context))
    assert len(alone) == len(together) == 3
    for (clips, labels), (same_clips, same_labels) in zip(alone, together, strict=True):
        assert torch.equal(clips, same_clips)
        assert torch.equal(labels, same_labels)


def test_a_pickled_dataset_contains_only_path_and_options(store_path):
    options = {"layout": "TCHW", "num_frames": 5, "normalization": None, "target_transform": doubled}
    dataset = DFSDataset([store_path, store_path], **options, in_memory=False)
    text = pickle.dumps(dataset)
    assert len(text) < 2000
    again = pickle.loads(text)
    assert repr(again) == repr(dataset)
    assert again.classes == dataset.classes
    assert again.targets == dataset.targets
    for (clip, label), (expected, expected_label) in zip(again, dataset, strict=True):
        assert torch.equal(clip, expected)
        assert label == expected_label


def test_a_transform_set_later_and_a_subclass_survive_pickling(store_path):
    dataset = Noted(store_path)
    dataset.transform = negated
    dataset.note = "mine"
    again = pickle.loads(pickle.dumps(dataset))
    assert type(again) is Noted
    assert again.note == "mine"
    assert torch.equal(again[0][0], -DFSDataset(store_path)[0][0])


class Noted(DFSDataset):
    note = ""


def test_a_relative_path_survives_a_change_of_working_folder(tmp_path, monkeypatch):
    write_store(tmp_path / "here.zarr")
    monkeypatch.chdir(tmp_path)
    dataset = DFSDataset("here.zarr", in_memory=False)
    text = pickle.dumps(dataset)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert torch.equal(pickle.loads(text)[0][0], dataset[0][0])


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_replaced_store_is_refused_when_reopened(tmp_path, suffix):
    path = write_store(tmp_path / f"store{suffix}")
    text = pickle.dumps(DFSDataset(path))
    write_store(path, seed=1, overwrite=True)
    with pytest.raises(DFSError, match=r"store\.(zarr|h5).*"):
        pickle.loads(text)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_store_replaced_while_open_gives_the_old_clips_or_an_error(tmp_path, suffix):
    path = write_store(tmp_path / f"store{suffix}")
    expected = [clip for clip, _ in DFSDataset(path)]
    dataset = DFSDataset(path, in_memory=False)
    dataset[0]
    write_store(path, seed=1, overwrite=True)
    for number, clip in enumerate(expected):
        try:
            found = dataset[number][0]
        except (DamagedStoreError, StoreNotFoundError):
            continue
        assert torch.equal(found, clip)


def test_the_error_about_a_closed_dataset_says_so(store_path):
    dataset = DFSDataset(store_path, in_memory=False)
    dataset.close()
    with pytest.raises(SettingsError, match=r"small\.zarr.*closed.*open"):
        dataset[0]


def test_a_closed_dataset_in_memory_remains_usable(store_path):
    dataset = DFSDataset(store_path, in_memory=True)
    expected = dataset[0][0].clone()
    dataset.close()
    assert torch.equal(dataset[0][0], expected)


def test_a_subset_requests_batches(store_path):
    dataset = DFSDataset(store_path)
    clips, _ = next(iter(DataLoader(Subset(dataset, [5, 1]), batch_size=2)))
    assert_same(clips, torch.stack([dataset[5][0], dataset[1][0]]))
