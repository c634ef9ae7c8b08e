"""DFSDataset: items, indices, attributes, temporal resolutions, and key frames in memory."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader

from dfs_store import DFSDataset, DFSLoader, open_store
from dfs_store.errors import SettingsError, StoreNotFoundError
from dfs_store.interpolation import resample_times
from dfs_store.loaders import dataset as dataset_module
from dfs_store.loaders import interpolate
from tests.format.making import content
from tests.loaders.stores import COUNTS, IMAGENET, assert_same, write_store


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
def test_items_equal_the_clips_of_the_store(tmp_path, suffix, dtype, in_memory, layout):
    path = write_store(tmp_path / f"store{suffix}", dtype=dtype)
    dataset = DFSDataset(path, layout=layout, in_memory=in_memory)
    with open_store(path) as store:
        assert len(dataset) == len(store) == len(COUNTS)
        for number in range(len(store)):
            clip, label = dataset[number]
            assert clip.shape == ((3, 8, 6, 5) if layout == "CTHW" else (8, 3, 6, 5))
            assert clip.dtype == torch.float32
            assert clip.is_contiguous()
            assert type(label) is int
            assert label == store.labels[number]
            frames = clip.transpose(0, 1) if layout == "CTHW" else clip
            assert torch.equal(frames[store.positions(number)], torch.from_numpy(store.key_frames(number)))
            torch.testing.assert_close(frames, torch.from_numpy(store.clip(number)), rtol=0, atol=1e-6)


def test_getitems_equals_single_items_in_any_order_with_repeats(store_path):
    dataset = DFSDataset(store_path)
    numbers = [3, 0, 2, 2, -1, 6]
    batch = dataset.__getitems__(numbers)
    assert len(batch) == len(numbers)
    for (clip, label), number in zip(batch, numbers, strict=True):
        expected, expected_label = dataset[number]
        assert_same(clip, expected)
        assert label == expected_label
    assert dataset.__getitems__([]) == []


def test_a_data_loader_collates_the_items(store_path):
    dataset = DFSDataset(store_path)
    clips, labels = next(iter(DataLoader(dataset, batch_size=7)))
    assert_same(clips, torch.stack([clip for clip, _ in dataset]))
    assert labels.tolist() == dataset.targets


def test_attributes_follow_torchvision(store_path):
    dataset = DFSDataset(store_path)
    assert dataset.classes == ["run", "jump", "swim"]
    assert dataset.class_to_idx == {"run": 0, "jump": 1, "swim": 2}
    assert dataset.targets == [0, 1, 2, 0, 1, 2, 0]
    assert all(type(target) is int for target in dataset.targets)
    assert (dataset.num_frames, dataset.frame_shape, dataset.layout) == (8, (3, 6, 5), "CTHW")
    assert dataset.normalization == IMAGENET


def test_repr_looks_like_torchvisions(store_path):
    dataset = DFSDataset(str(store_path), target_transform=str, in_memory=False)
    assert repr(dataset) == (
        "Dataset DFSDataset\n"
        "    Number of datapoints: 7\n"
        f"    Root location: {store_path}\n"
        "    Classes: 3\n"
        "    Clips: 8 frames of 3x6x5, layout CTHW\n"
        "    Key frames: 25 (float32), read from disk\n"
        "    target_transform: <class 'str'>"
    )


@pytest.mark.parametrize("number", [-1, np.int64(6), np.uint8(6), torch.tensor(6)])
def test_indices_can_be_negative_or_from_numpy_or_torch(store_path, number):
    dataset = DFSDataset(store_path)
    assert torch.equal(dataset[number][0], dataset[6][0])


@pytest.mark.parametrize("number", [7, -8, np.int64(7)])
def test_an_index_out_of_range_raises_an_index_error(store_path, number):
    with pytest.raises(IndexError, match=f"clip index {number} is not in -7..6"):
        DFSDataset(store_path)[number]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_batch_sampler_as_sampler_fetches_whole_batches(store_path, num_workers):
    dataset, batches = DFSDataset(store_path), BatchSampler([3, 0, 6, 2, 5, 1, 4], 3, False)
    whole = DataLoader(dataset, batch_size=None, sampler=batches, num_workers=num_workers)
    usual = DataLoader(dataset, batch_sampler=batches, num_workers=num_workers)
    assert len(list(whole)) == 3
    for (clips, labels), (expected, expected_labels) in zip(whole, usual, strict=True):
        assert torch.equal(clips, expected)
        assert torch.equal(labels, expected_labels)
    with pytest.raises(IndexError, match="clip index 7"):
        dataset[[0, 7]]


def test_iterating_ends(store_path):
    assert len(list(DFSDataset(store_path))) == 7


@pytest.mark.parametrize("number", [slice(0, 2), 1.0, None, "0", np.array([0, 1])])
def test_an_index_that_is_not_a_number_is_refused_with_an_alternative(store_path, number):
    with pytest.raises(SettingsError, match=r"whole number.*Subset"):
        DFSDataset(store_path)[number]


@pytest.mark.parametrize("num_frames", [1, 2, 5, 8, 15, 40])
def test_other_temporal_resolutions_sample_the_piecewise_linear_clip(store_path, num_frames):
    dataset = DFSDataset(store_path, num_frames=num_frames, layout="TCHW")
    assert dataset.num_frames == num_frames
    with open_store(store_path) as store:
        for number in range(len(store)):
            expected = interpolate(
                torch.from_numpy(store.key_frames(number)),
                store.positions(number),
                8,
                times=resample_times(8, num_frames),
            )
            torch.testing.assert_close(dataset[number][0], expected, rtol=0, atol=2e-6)


def test_twice_the_resolution_contains_the_stored_frames(store_path):
    coarse, fine = DFSDataset(store_path, layout="TCHW"), DFSDataset(store_path, layout="TCHW", num_frames=15)
    torch.testing.assert_close(fine[1][0][::2], coarse[1][0], rtol=0, atol=2e-6)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_different_default_device_changes_nothing(store_path, in_memory):
    expected = DFSDataset(store_path)[1][0]
    torch.set_default_device("meta")  # like "cuda", a device whose memory cannot be read into
    try:
        dataset = DFSDataset(store_path, in_memory=in_memory)
        (packed,) = dataset.packed().__getitems__([1])
        clip = dataset[1][0]
    finally:
        torch.set_default_device(None)
    assert torch.equal(clip, expected)
    assert packed.key_frames.frames.device.type == "cpu"


def test_in_memory_is_decided_by_size(store_path, monkeypatch):
    size = 25 * 3 * 6 * 5 * 4
    monkeypatch.setattr(dataset_module, "IN_MEMORY_LIMIT_BYTES", size)
    assert DFSDataset(store_path).in_memory
    monkeypatch.setattr(dataset_module, "IN_MEMORY_LIMIT_BYTES", size - 1)
    assert not DFSDataset(store_path).in_memory
    assert DFSDataset(store_path, in_memory=True).in_memory


def test_modifying_a_clip_does_not_affect_later_accesses(store_path):
    dataset = DFSDataset(store_path)
    before = dataset[2][0].clone()
    dataset[2][0].zero_()
    assert torch.equal(dataset[2][0], before)


def test_target_transform_receives_the_label(store_path):
    assert DFSDataset(store_path, target_transform=lambda label: f"class {label}")[1][1] == "class 1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layout": "HWC"}, r'layout must be "CTHW" or "TCHW", got \'HWC\''),
        ({"num_frames": 0}, r"num_frames must be a whole number of at least 1, got 0"),
        ({"num_frames": 2.5}, r"num_frames .* got 2\.5"),
        ({"num_frames": True}, r"num_frames .* got True"),
        ({"in_memory": "yes"}, r"in_memory must be True, False or None.*got 'yes'"),
    ],
)
def test_invalid_options_are_refused_with_their_values(store_path, options, said):
    with pytest.raises(SettingsError, match=said):
        DFSDataset(store_path, **options)


@pytest.mark.parametrize(("path", "said"), [([], "at least one store"), (3, "got 3"), ([3], r"got \[3\]")])
def test_invalid_paths_are_refused(path, said):
    with pytest.raises(SettingsError, match=said):
        DFSDataset(path)


def test_a_missing_store_is_reported(tmp_path):
    with pytest.raises(StoreNotFoundError, match=r"absent\.zarr"):
        DFSDataset(tmp_path / "absent.zarr")


@pytest.mark.parametrize("container", ["zarr", "h5"])
def test_soft_labels_are_the_targets_if_requested(tmp_path, container):
    path = tmp_path / f"s.{container}"
    content(with_soft_labels=True).write(path)
    dataset = DFSDataset([path, path], target="soft")
    assert dataset.targets == [0, 1, 0, 1] * 2
    clip, soft = dataset[5]
    assert (soft.dtype, soft.tolist()) == (torch.float32, [1, -0.25])
    soft.zero_()
    assert dataset[1][1].tolist() == [1, -0.25]
    assert torch.equal(clip, DFSDataset(path)[1][0])
    for each in (
        DataLoader(dataset, 8),
        DFSLoader(dataset, 8),
        DFSLoader(pickle.loads(pickle.dumps(dataset)), 8),
    ):
        (batch,) = each
        assert batch[1].tolist() == [[n, -0.25] for n in range(4)] * 2
    packed = dataset.packed()
    assert packed.rebuild(packed[3])[1].tolist() == [[3, -0.25]]


def test_a_store_without_soft_labels_is_refused(tmp_path):
    content().write(tmp_path / "s.zarr")
    with pytest.raises(SettingsError, match=r"s\.zarr has no soft labels; .*--soft-labels"):
        DFSDataset(tmp_path / "s.zarr", target="soft")
    with pytest.raises(SettingsError, match=r'"hard" or "soft", got .weak'):
        DFSDataset(tmp_path / "s.zarr", target="weak")
    with pytest.raises(SettingsError, match="target_transform applies to classes"):
        DFSDataset(tmp_path / "s.zarr", target="soft", target_transform=int)
