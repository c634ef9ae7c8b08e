"""Clips of stick-figures do not depend on the resolution, and an untrained network distinguishes classes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store import open_videos
from dfs_store.networks import ConvNet3D
from dfs_store.networks.training import standardised
from dfs_store.videos.built_in.stick_figures import STICK_FIGURES
from dfs_store.videos.tensors import normalised_clips

ACTIONS = ["bowing", "boxing", "jumping", "jumping-jack", "kicking", "push-up", "squatting", "waving"]


def made(seed=0, split="train", **what):
    return STICK_FIGURES.make(split, **{"clips_per_class": 1, "size": 24, "seed": seed, **what})[0]


def test_there_are_exactly_eight_actions():
    assert list(STICK_FIGURES.class_names) == ACTIONS


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), split=st.sampled_from(["train", "test"]), number=st.integers(0, 3))
def test_a_clip_depends_only_on_seed_split_class_and_number(seed, split, number):
    action = ACTIONS[seed % 8]
    alone = made(seed, split, classes=[action], clips_per_class=number + 1, num_frames=2)[number]
    among = made(seed, split, clips_per_class=4, num_frames=2)[4 * (seed % 8) + number]
    assert np.array_equal(alone, among)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), frames=st.integers(2, 12))
def test_more_frames_show_the_same_performance_more_finely(seed, frames):
    coarse, fine = made(seed, num_frames=frames), made(seed, num_frames=2 * frames - 1)
    # The times may differ in the last bits, so a pixel may be rounded differently.
    assert np.abs(coarse.astype(int) - fine[:, ::2]).max() <= 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_different_size_shows_the_same_scene(seed):
    small, large = made(seed, num_frames=3, size=32), made(seed, num_frames=3, size=128)
    shrunk = large.reshape(8, 3, 32, 4, 32, 4, 3).mean(axis=(3, 5))
    # Only the edges differ a little, because they are one pixel wide at either size.
    assert np.abs(shrunk - small).mean() < 2.5
    assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.98


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_figures_are_brighter_than_their_scene_and_stay_inside(seed):
    clips = made(seed, num_frames=8, size=48).max(axis=-1)
    assert (clips.max(axis=(2, 3)) > 110).all()
    scene = np.median(clips, axis=(2, 3))
    assert (scene < 75).all()
    # On the left and the right only, since hands may reach the upper edge in a high jump.
    edge = np.concatenate([clips[:, :, :, 0], clips[:, :, :, -1]], axis=2)
    assert edge.max() < 110


def test_a_clip_lasts_a_second_whatever_its_number_of_frames():
    for frames in (8, 16):
        videos = open_videos("stick-figures", frames=frames, size=8, clips_per_class=1)
        assert (frames - 1) / videos.fps == pytest.approx(1.0)


def _features(videos, pixels, network):
    batches = []
    for start in range(0, len(pixels), 80):
        batch = torch.from_numpy(np.array(pixels[start : start + 80]))
        clips = standardised(normalised_clips(batch, videos.normalization, None), "clip")
        with torch.inference_mode():
            batches.append(network.embed(clips))
    return torch.cat(batches).numpy()


def _nearest_class_mean(train, test, change, seed):
    """Returns the share of test clips nearest to the mean training feature of their class."""
    network = ConvNet3D(8, 8, 48).eval()
    network.reset(torch.Generator().manual_seed(seed))
    seen, asked = (_features(videos, change(videos.pixels[:, 0]), network) for videos in (train, test))
    means = np.stack([seen[train.labels == label].mean(axis=0) for label in range(8)])
    nearest = ((asked[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return (nearest == test.labels).mean()


def test_an_untrained_network_tells_the_actions_apart_by_their_motion():
    train, test = (
        open_videos("stick-figures", split=split, clips_per_class=count)
        for split, count in (("train", 40), ("test", 20))
    )
    moving = _nearest_class_mean(train, test, lambda pixels: pixels, seed=0)
    still = _nearest_class_mean(train, test, lambda pixels: np.repeat(pixels[:, :1], 8, axis=1), seed=0)
    assert moving > 0.6
    assert still < moving - 0.1
