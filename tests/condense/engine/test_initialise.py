"""The initial key frames of a run."""

import numpy as np
import pytest
import torch

from dfs_store.condense.engine.extractor import extractor_network, features_of
from dfs_store.condense.engine.initialise import even_positions, initial_key_frames
from dfs_store.condense.engine.real_starts import real_starts
from dfs_store.errors import SettingsError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "num_frames", "positions"),
    [
        (1, 8, [0]),
        (2, 16, [0, 15]),
        (3, 16, [0, 8, 15]),
        (4, 16, [0, 5, 10, 15]),
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_positions_are_evenly_spaced(count, num_frames, positions):
    assert even_positions(count, num_frames).tolist() == positions


def test_more_key_frames_than_frames_raise_an_error():
    with pytest.raises(SettingsError, match="between 1 and 4"):
        even_positions(5, 4)


def test_noise_is_standard_normal_and_the_same_for_any_chunks(config, videos, monkeypatch):
    settings = config(vpc=3).resolved()
    whole = torch.cat([c.frames for g in initial_key_frames(settings, videos, CPU, None) for c in g])
    monkeypatch.setattr("dfs_store.condense.engine.initialise.chunk_clips", lambda *_: 2)
    groups = initial_key_frames(settings, videos, CPU, None)
    assert [[len(c) for c in g] for g in groups] == [[2, 1], [2, 1], [2, 1]]
    assert torch.equal(whole, torch.cat([c.frames for g in groups for c in g]))
    assert abs(whole.mean()) < 0.01
    assert abs(whole.std() - 1) < 0.01


def test_groups_contain_whole_classes(config, videos, monkeypatch):
    monkeypatch.setattr("dfs_store.condense.engine.initialise.chunk_clips", lambda *_: 5)
    groups = initial_key_frames(config(vpc=2).resolved(), videos, CPU, None)
    assert [[c.labels.tolist() for c in g] for g in groups] == [[[0, 0]], [[1, 1]], [[2, 2]]]
    monkeypatch.setattr("dfs_store.condense.engine.initialise.FEWEST_PARTS", 1)
    groups = initial_key_frames(config(vpc=2).resolved(), videos, CPU, None)
    assert [[c.labels.tolist() for c in g] for g in groups] == [[[0, 0, 1, 1]], [[2, 2]]]
    monkeypatch.setattr("dfs_store.condense.engine.initialise.chunk_clips", lambda *_: 1)
    groups = initial_key_frames(config(vpc=2).resolved(), videos, CPU, None)
    assert [[c.labels.tolist() for c in g] for g in groups] == [[[0], [0]], [[1], [1]], [[2], [2]]]


@pytest.mark.parametrize("init", ["real", "herding"])
def test_real_frames_are_frames_of_clips_of_the_class(config, videos, init):
    settings = config(vpc=2, init=init, initial_key_frames=3).resolved()
    starts = real_starts(settings, videos, CPU)
    assert len(set(starts.tolist())) == 6
    chunks = [chunk for group in initial_key_frames(settings, videos, CPU, starts) for chunk in group]
    clips = [(chunk, number) for chunk in chunks for number in range(len(chunk))]
    assert len(clips) == 6
    for chunk, number in clips:
        label = chunk.labels[number]
        own = [videos.clip(i) for i in np.flatnonzero(videos.labels == label)]
        found = [
            torch.allclose(chunk.clip_frames(number), clip.permute(1, 0, 2, 3)[[0, 2, 5]], atol=1e-5)
            for clip in own
        ]
        assert sum(found) == 1


def test_herded_clips_represent_their_class_better_than_random_ones(config, videos):
    network, _ = extractor_network("random", videos, 0, CPU, lambda _: None)
    features = features_of(network, videos)

    def distance(init):
        starts = real_starts(config(vpc=2, init=init).resolved(), videos, CPU).reshape(3, 2)
        means = np.stack([features[videos.labels == label].mean(axis=0) for label in range(3)])
        assert (videos.labels[starts] == np.arange(3)[:, None]).all()
        return np.linalg.norm(features[starts].mean(axis=1) - means, axis=1).sum()

    assert distance("herding") < distance("real")


def test_noise_does_not_start_from_a_real_clip(config, videos):
    assert real_starts(config(init="noise").resolved(), videos, CPU) is None
