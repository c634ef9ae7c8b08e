"""The built-in dataset: repeatable, and blind to everything but motion."""

import numpy as np
import pytest

from dfs_store import open_videos
from dfs_store.errors import SettingsError
from dfs_store.videos.moving_shapes import DEFAULTS, class_names, make_moving_shapes

NUM_FRAMES, SIZE = 8, 16


@pytest.fixture(scope="module")
def part():
    return make_moving_shapes("train", num_frames=NUM_FRAMES, size=SIZE, clips_per_class=120)


def test_shapes_labels_and_names(part):
    pixels, labels, names = part
    assert names == sorted(names) == class_names()
    assert pixels.shape == (len(names) * 120, NUM_FRAMES, SIZE, SIZE, 3)
    assert pixels.dtype == np.uint8
    assert labels.tolist() == [label for label in range(len(names)) for _ in range(120)]


def test_the_defaults_are_what_is_made():
    pixels, _, names = make_moving_shapes("test", clips_per_class=1)
    assert pixels.shape == (len(names), DEFAULTS.num_frames, DEFAULTS.size, DEFAULTS.size, 3)
    _, labels, _ = make_moving_shapes("test", num_frames=2, size=8)
    assert np.bincount(labels).tolist() == [DEFAULTS.test_clips_per_class] * len(names)


def test_the_same_seed_gives_the_same_clips_whatever_their_number():
    make = {"num_frames": 4, "size": 12, "seed": 5}
    few, few_labels, _ = make_moving_shapes("train", clips_per_class=2, **make)
    many, many_labels, names = make_moving_shapes("train", clips_per_class=5, **make)
    for label in range(len(names)):
        assert np.array_equal(few[few_labels == label], many[many_labels == label][:2])


def test_seeds_and_splits_share_no_clip():
    parts = [
        make_moving_shapes(split, num_frames=2, size=12, clips_per_class=20, seed=seed)[0]
        for split in ("train", "test")
        for seed in (0, 1)
    ]
    clips = np.concatenate(parts).reshape(-1, 2 * 12 * 12 * 3)
    assert len(np.unique(clips, axis=0)) == len(clips)


def test_a_single_frame_has_the_same_distribution_in_every_class(part):
    """Per pixel, mean and spread over clips agree between classes within what chance allows."""
    pixels, labels, names = part
    grey = pixels.mean(axis=-1) / 255
    for frame in (0, 3, 7):
        frames = [grey[labels == label, frame] for label in range(len(names))]
        means = np.array([f.mean() for f in frames])
        # The mean over a whole frame varies from clip to clip by `spread`; so do means of 120 clips by less.
        spread = np.mean([f.mean(axis=(1, 2)).std() for f in frames]) / np.sqrt(120)
        assert np.abs(means - means.mean()).max() < 4 * spread
        deviations = np.array([f.std() for f in frames])
        assert np.ptp(deviations) < 0.1 * deviations.mean()


def test_a_linear_reader_of_single_frames_stays_at_chance(part):
    pixels, labels, names = part
    test, test_labels, _ = make_moving_shapes("test", num_frames=NUM_FRAMES, size=SIZE, clips_per_class=60)
    # Nearest class mean in pixels and in their squares, of the first and the middle frame.
    for frame in (0, 4):
        read = [np.concatenate([p, p**2], axis=1) for p in (
            x[:, frame].reshape(len(x), -1) / 255.0 for x in (pixels, test)
        )]  # fmt: skip
        means = np.stack([read[0][labels == label].mean(axis=0) for label in range(len(names))])
        nearest = ((read[1][:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
        accuracy = (nearest == test_labels).mean()
        assert accuracy < 1 / len(names) + 4 * np.sqrt(1 / len(names) / len(test))


def test_classes_differ_by_motion(part):
    """Mean change from frame to frame: nothing in `still`, and where and how much in the others."""
    pixels, labels, names = part
    change = np.abs(np.diff(pixels.astype(float), axis=1)).mean(axis=(2, 3, 4))
    by_class = {name: change[labels == label].mean(axis=0) for label, name in enumerate(names)}
    assert by_class["still"].max() == 0
    assert (by_class["slow"] > 0).all()
    assert (by_class["fast"] > 2 * by_class["slow"]).all()
    assert by_class["starting"][:3].max() == 0
    assert by_class["starting"][-1] > 0
    assert by_class["stopping"][0] > 0
    assert by_class["stopping"][-3:].max() == 0
    to_and_fro = pixels[labels == names.index("bouncing")]
    assert np.array_equal(to_and_fro[:, 0], to_and_fro[:, 2])


@pytest.mark.parametrize(
    ("split", "changes", "said"),
    [
        ("val", {}, "train and test"),
        ("train", {"num_frames": 1}, "num_frames"),
        ("train", {"size": 7}, "8 pixels"),
        ("train", {"clips_per_class": 0}, "at least 1 clip"),
        ("train", {"seed": -1}, "negative"),
    ],
)
def test_nonsense_is_refused(split, changes, said):
    with pytest.raises(SettingsError, match=said):
        make_moving_shapes(split, **{"num_frames": 2, "size": 8, "clips_per_class": 1, **changes})


def test_some_classes_are_the_same_clips_as_of_all():
    make = {"frames": 3, "size": 12, "clips_per_class": 4}
    every, some = (
        open_videos("moving-shapes", **make),
        open_videos("moving-shapes", classes=("still", "fast"), **make),
    )
    kept = [clip for clip, label in enumerate(every.labels) if every.classes[label] in ("fast", "still")]
    assert np.array_equal(some.pixels, every.pixels[kept])
    assert [some.source(clip) for clip in range(8)] == [every.source(clip) for clip in kept]


def test_what_one_dataset_changes_is_not_seen_by_the_next():
    make = {"frames": 3, "size": 12, "clips_per_class": 2}
    first = open_videos("moving-shapes", **make)
    with pytest.raises(ValueError, match="read-only"):
        first.pixels[0] = 0
    first.labels[:] = 5
    assert open_videos("moving-shapes", **make).labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_no_class_at_all_is_refused():
    with pytest.raises(SettingsError, match="at least one class"):
        open_videos("moving-shapes", classes=()).labels  # noqa: B018 - they are made on first use
