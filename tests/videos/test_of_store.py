"""The real test clips that belong to a store, opened from its provenance."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

import dfs_store
from dfs_store import DFSDataset, StoreWriter, interpolate, open_store, open_videos
from dfs_store.errors import DatasetNotFoundError, SettingsError
from tests.videos.making import make_folder

CLASSES = ["still", "fast", "slow"]  # not in the order of the dataset


def write_store(path, *, classes=CLASSES, num_frames=8, normalization=None, provenance=None, size=24):
    if provenance is None:
        provenance = {"method": "random", "dataset": "moving-shapes", "config": {"stride": None}}
    attributes = {"normalization": normalization, "provenance": provenance}
    with StoreWriter(
        path,
        num_frames=num_frames,
        frame_shape=(3, size, size),
        class_names=classes,
        attributes=attributes,
    ) as writer:
        for label in range(len(classes)):
            frames = np.full((2, 3, size, size), label, np.float32)
            writer.append(frames, [0, num_frames - 1], label)
    return path


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "s.zarr", normalization={"mean": [0.4] * 3, "std": [0.2, 0.3, 0.4]})


def test_clips_of_the_dataset_have_the_labels_of_the_store(store):
    found = dfs_store.test_videos(store)
    real = open_videos("moving-shapes", split="test", size=24, classes=CLASSES, normalization=None)
    assert (found.split, found.classes, found.frame_shape) == ("test", CLASSES, (3, 24, 24))
    assert found.class_to_idx == {"still": 0, "fast": 1, "slow": 2}
    assert real.classes != CLASSES
    assert len(found) == len(real) > 0
    for number in (0, len(real) // 2, len(real) - 1):
        clip, label = found[number]
        pixels, other = real[number]
        assert found.classes[label] == real.classes[other]
        assert label == found.targets[number]
        mean, std = torch.tensor([0.4] * 3), torch.tensor([0.2, 0.3, 0.4])
        torch.testing.assert_close(clip, (pixels - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1))


def test_a_path_an_open_store_and_a_dataset_give_the_same_clips(store):
    of_path = dfs_store.test_videos(str(store))
    with open_store(store) as opened:
        of_store = dfs_store.test_videos(opened)
    of_dataset = dfs_store.test_videos(DFSDataset(store))
    assert torch.equal(of_path[3][0], of_store[3][0])
    assert torch.equal(of_path[3][0], of_dataset[3][0])
    assert of_path.targets == of_store.targets == of_dataset.targets


@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
@pytest.mark.parametrize("num_frames", [1, 5, 8, 16])
def test_clips_look_like_those_of_the_dataset(store, layout, num_frames):
    dataset = DFSDataset(store, layout=layout, num_frames=num_frames, normalization=None)
    found = dfs_store.test_videos(dataset)
    clip, _ = found[0]
    assert clip.shape == dataset[0][0].shape
    assert (found.layout, found.normalization, found.num_frames) == (layout, None, num_frames)
    whole = dfs_store.test_videos(store, layout="TCHW", normalization=None)[0][0]
    wanted = interpolate(whole, range(8), 8, times=dataset_times(num_frames))
    shown = clip if layout == "TCHW" else clip.transpose(0, 1)
    assert (shown - wanted).abs().max() <= 0.5 / 255 + 1e-6  # resampled clips are rounded to uint8
    assert 0 <= clip.min() < clip.max() <= 1


def dataset_times(num_frames):
    return [3.5] if num_frames == 1 else np.linspace(0, 7, num_frames)


def test_a_transform_is_applied_as_in_the_dataset(store):
    crop = v2.CenterCrop(10)
    dataset = DFSDataset(store, transform=crop)
    clip, _ = dfs_store.test_videos(dataset, transform=crop)[0]
    assert clip.shape == dataset[0][0].shape == (3, 8, 10, 10)
    assert type(clip) is torch.Tensor


def test_joined_stores_must_have_the_same_test_clips(tmp_path, store):
    again = write_store(tmp_path / "t.zarr", normalization={"mean": [0.4] * 3, "std": [0.2, 0.3, 0.4]})
    assert len(dfs_store.test_videos(DFSDataset([store, again]))) == len(dfs_store.test_videos(store))
    other = write_store(
        tmp_path / "u.zarr", provenance={"dataset": "stick-figures", "config": {}}, normalization=None
    )
    with pytest.raises(SettingsError, match=r"dataset is 'moving-shapes' for .*s\.zarr and 'stick-figures'"):
        dfs_store.test_videos(DFSDataset([store, other], normalization=None))


def test_a_store_of_unknown_or_missing_videos_says_what_to_do(tmp_path):
    unknown = write_store(tmp_path / "a.zarr", provenance={"method": "x"})
    with pytest.raises(SettingsError, match=r"does not record which dataset.*dataset=\.\.\. in Python"):
        dfs_store.test_videos(unknown)
    assert len(dfs_store.test_videos(unknown, dataset="moving-shapes")) > 0
    gone = write_store(tmp_path / "b.zarr", provenance={"dataset": "./videos"})
    with pytest.raises(DatasetNotFoundError, match=f"{tmp_path}/videos does not exist.*dataset="):
        dfs_store.test_videos(gone)


def test_classes_that_the_dataset_lacks_are_refused(tmp_path):
    other = write_store(tmp_path / "o.zarr", classes=["still", "nope"])
    with pytest.raises(SettingsError, match="nope"):
        dfs_store.test_videos(other)


def test_clips_that_the_store_was_made_from_are_refused(tmp_path):
    root = make_folder(tmp_path / "videos", clips=4)
    own = {"dataset": "./videos", "config": {"hold_out": None, "stride": 1}}
    store = write_store(tmp_path / "s.zarr", classes=["left", "right"], num_frames=4, provenance=own)
    with pytest.raises(SettingsError, match="was condensed with all training clips"):
        dfs_store.test_videos(store, hold_out=0.5)
    own["config"]["hold_out"] = 0.5
    held = write_store(tmp_path / "h.zarr", classes=["right", "left"], num_frames=4, provenance=own)
    found = dfs_store.test_videos(held, hold_out=0.5, cache_dir=tmp_path / "cache")
    _, wanted = open_videos(root, frames=4, stride=1, size=24, cache_dir=tmp_path / "cache").hold_out(0.5)
    files = [found.source(number)["file"] for number in range(len(found))]
    assert files == [wanted.source(number)["file"] for number in range(len(wanted))]
    assert [found.classes[label] for label in found.targets] == [file.split("/")[0] for file in files]
    with pytest.raises(DatasetNotFoundError):  # a folder with only classes has no test clips
        dfs_store.test_videos(held, cache_dir=tmp_path / "cache")


def test_the_real_clips_of_a_folder_with_a_test_part(tmp_path):
    make_folder(tmp_path / "videos/train", clips=2)
    make_folder(tmp_path / "videos/test", clips=1)
    own = {"dataset": "./videos", "config": {"stride": 2}}
    store = write_store(tmp_path / "s.zarr", classes=["right", "left"], num_frames=4, provenance=own)
    found = dfs_store.test_videos(store, cache_dir=tmp_path / "cache")
    assert len(found) == 2
    assert (found.sampling.frames, found.sampling.stride, found.sampling.size) == (4, 2, 24)
    assert [found.classes[label] for label in found.targets] == ["left", "right"]
    assert found.fps == 12.5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layout": "THWC"}, "layout must be"),
        ({"normalization": "stored"}, 'normalization must be "imagenet", None'),
        ({"normalization": {"mean": 0.5}}, 'normalization must be "imagenet"'),
        ({"normalization": (0.5, 0)}, "std must be positive"),
    ],
)
def test_invalid_settings_are_refused_before_decoding(tmp_path, options, said):
    root = make_folder(tmp_path / "videos", clips=1)
    with pytest.raises(SettingsError, match=said):
        open_videos(root, cache_dir=tmp_path / "cache", **options)
    assert not (tmp_path / "cache").exists()


def test_real_clips_of_any_normalisation_and_layout():
    usual = open_videos("moving-shapes", size=24, classes=["fast"])
    pixels = open_videos("moving-shapes", size=24, classes=["fast"], normalization=None, layout="TCHW")
    assert usual.normalization["mean"] == [0.485, 0.456, 0.406]
    assert pixels.normalization is None
    clip = pixels[0][0]
    assert clip.shape == (8, 3, 24, 24)
    assert torch.equal(clip, torch.from_numpy(pixels.pixels[0, 0].copy()).permute(0, 3, 1, 2).float() / 255)
    again = open_videos("moving-shapes", size=24, classes=["fast"], normalization=usual.normalization)
    assert torch.equal(again[0][0], usual[0][0])
