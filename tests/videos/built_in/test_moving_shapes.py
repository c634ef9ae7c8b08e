"""The classes of moving-shapes differ only in motion."""

import numpy as np
import pytest

from dfs_store.videos.built_in.moving_shapes import MOVING_SHAPES

NUM_FRAMES, SIZE = 8, 16


@pytest.fixture(scope="module")
def part():
    return MOVING_SHAPES.make("train", num_frames=NUM_FRAMES, size=SIZE, clips_per_class=120)


def test_a_single_frame_has_the_same_distribution_in_every_class(part):
    """Mean and spread of each pixel over clips agree between classes, within the limits of chance."""
    pixels, labels, names = part
    grey = pixels.mean(axis=-1) / 255
    for frame in (0, 3, 7):
        frames = [grey[labels == label, frame] for label in range(len(names))]
        means = np.array([f.mean() for f in frames])
        # The mean of a whole frame varies between clips by `spread`, and means of 120 clips vary by less.
        spread = np.mean([f.mean(axis=(1, 2)).std() for f in frames]) / np.sqrt(120)
        assert np.abs(means - means.mean()).max() < 4 * spread
        deviations = np.array([f.std() for f in frames])
        assert np.ptp(deviations) < 0.1 * deviations.mean()


def test_a_linear_classifier_of_single_frames_stays_at_chance(part):
    pixels, labels, names = part
    test, test_labels, _ = MOVING_SHAPES.make("test", num_frames=NUM_FRAMES, size=SIZE, clips_per_class=60)
    # Nearest class mean, from the pixels and their squares, for the first and the middle frame.
    for frame in (0, 4):
        read = [np.concatenate([p, p**2], axis=1) for p in (
            x[:, frame].reshape(len(x), -1) / 255.0 for x in (pixels, test)
        )]  # fmt: skip
        means = np.stack([read[0][labels == label].mean(axis=0) for label in range(len(names))])
        nearest = ((read[1][:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
        accuracy = (nearest == test_labels).mean()
        assert accuracy < 1 / len(names) + 4 * np.sqrt(1 / len(names) / len(test))


def test_classes_differ_by_motion(part):
    """Mean change between frames is zero in `still`, and differs in place and amount in other classes."""
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
