"""Properties of every built-in dataset."""

import pickle

import numpy as np
import pytest

from dfs_store import open_videos
from dfs_store.errors import SettingsError
from dfs_store.videos.built_in import BUILT_IN

pytestmark = pytest.mark.parametrize("name", BUILT_IN)


def test_shapes_labels_and_names(name):
    pixels, labels, names = BUILT_IN[name].make("test", num_frames=3, size=12, clips_per_class=2)
    assert names == sorted(names) == list(BUILT_IN[name].class_names)
    assert pixels.shape == (2 * len(names), 3, 12, 12, 3)
    assert pixels.dtype == np.uint8
    assert labels.tolist() == [label for label in range(len(names)) for _ in range(2)]


def test_the_defaults_are_used(name):
    generator = BUILT_IN[name]
    pixels, _, names = generator.make("test", clips_per_class=1)
    assert pixels.shape == (len(names), generator.num_frames, generator.size, generator.size, 3)
    for split, each in (("train", generator.train_clips_per_class), ("test", generator.test_clips_per_class)):
        _, labels, _ = generator.make(split, num_frames=2, size=8)
        assert np.bincount(labels).tolist() == [each] * len(names)


def test_the_same_seed_gives_the_same_clips_whatever_their_number(name):
    make = {"num_frames": 4, "size": 12, "seed": 5}
    few, few_labels, _ = BUILT_IN[name].make("train", clips_per_class=2, **make)
    many, many_labels, names = BUILT_IN[name].make("train", clips_per_class=5, **make)
    for label in range(len(names)):
        assert np.array_equal(few[few_labels == label], many[many_labels == label][:2])


def test_seeds_and_splits_share_no_clip(name):
    parts = [
        BUILT_IN[name].make(split, num_frames=2, size=12, clips_per_class=20, seed=seed)[0]
        for split in ("train", "test")
        for seed in (0, 1)
    ]
    clips = np.concatenate(parts).reshape(-1, 2 * 12 * 12 * 3)
    assert len(np.unique(clips, axis=0)) == len(clips)


@pytest.mark.parametrize(
    ("split", "changes", "said"),
    [
        ("val", {}, "train or test"),
        ("train", {"num_frames": 1}, "num_frames"),
        ("train", {"size": 7}, "8 pixels"),
        ("train", {"clips_per_class": 0}, "clips_per_class must be at least 1"),
        ("train", {"seed": -1}, "seed must be at least 0"),
        ("train", {"classes": []}, "at least one class"),
        ("train", {"classes": ["nosuch"]}, "has no class nosuch; its classes"),
    ],
)
def test_invalid_settings_are_refused(name, split, changes, said):
    with pytest.raises(SettingsError, match=said):
        BUILT_IN[name].make(split, **{"num_frames": 2, "size": 8, "clips_per_class": 1, **changes})


def test_selecting_classes_does_not_change_their_clips(name):
    make = {"frames": 3, "size": 12, "clips_per_class": 4}
    chosen = BUILT_IN[name].class_names[3], BUILT_IN[name].class_names[1]
    every, some = open_videos(name, **make), open_videos(name, classes=chosen, **make)
    kept = [clip for clip, label in enumerate(every.labels) if every.classes[label] in chosen]
    assert np.array_equal(some.pixels, every.pixels[kept])
    assert [some.source(clip) for clip in range(8)] == [every.source(clip) for clip in kept]
    assert some.source(0)["generator"] == name


def test_changes_to_one_dataset_do_not_affect_the_next(name):
    make = {"frames": 3, "size": 12, "clips_per_class": 2}
    first = open_videos(name, **make)
    with pytest.raises(ValueError, match="read-only"):
        first.pixels[0] = 0
    first.labels[:] = 5
    expected = np.repeat(np.arange(len(BUILT_IN[name].class_names)), 2)
    assert open_videos(name, **make).labels.tolist() == expected.tolist()


def test_a_dataset_is_pickled_as_its_settings(name):
    videos = open_videos(name, frames=3, size=12, clips_per_class=2)
    travelled = pickle.dumps(videos)
    assert len(travelled) < 4096
    assert np.array_equal(pickle.loads(travelled).pixels, videos.pixels)
