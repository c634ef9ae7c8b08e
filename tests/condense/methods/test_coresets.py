"""Random, herding and k-center: the choice compared with brute force, and whole runs."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dfs_store import open_store, open_videos
from dfs_store.condense import ExtractorTrained, condense, plan_run
from dfs_store.condense.condensed import kept_frames
from dfs_store.condense.engine import extractor
from dfs_store.condense.engine.herd import herd
from dfs_store.condense.engine.real_starts import chosen_real_clips
from dfs_store.condense.methods.k_center import cover
from dfs_store.errors import DFSError, SettingsError
from dfs_store.networks import ConvNet3D
from dfs_store.videos.cache.entries import list_entries, remove_entry


@st.composite
def features_and_count(draw):
    n, size = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    values = st.integers(-50, 50).map(float)
    rows = draw(st.lists(st.lists(values, min_size=size, max_size=size), min_size=n, max_size=n))
    return np.array(rows), draw(st.integers(1, n))


def test_herding_chooses_as_expected_on_a_line():
    # The mean is 2: first the nearest value, then the one that brings the sum of two nearest to 4, and so on.
    features = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    assert herd(features, 5) == [2, 1, 3, 0, 4]


@given(features_and_count())
def test_each_herded_clip_is_the_best_next_one(drawn):
    features, count = drawn
    chosen = herd(features, count)
    assert len(set(chosen)) == count
    mean = features.mean(axis=0)
    for i, clip in enumerate(chosen):
        # By definition, each choice brings the mean of the chosen clips nearest to the mean of all clips.
        distance = {
            other: np.linalg.norm((i + 1) * mean - features[[*chosen[:i], other]].sum(axis=0))
            for other in set(range(len(features))) - set(chosen[:i])
        }
        assert distance[clip] <= min(distance.values()) + 1e-9


def radius(features, centres):
    return max(min(np.linalg.norm(f - features[c]) for c in centres) for f in features)


@given(features_and_count())
def test_k_center_is_within_twice_the_optimum_of_brute_force(drawn):
    features, count = drawn
    chosen = cover(features, count)
    assert len(set(chosen)) == count
    mean = features.mean(axis=0)
    assert np.linalg.norm(features[chosen[0]] - mean) <= min(np.linalg.norm(features - mean, axis=1)) + 1e-9
    best = min(
        radius(features, [chosen[0], *rest])
        for rest in itertools.combinations(set(range(len(features))) - {chosen[0]}, count - 1)
    )
    assert radius(features, chosen) <= 2 * best + 1e-9
    for i in range(1, count):  # each clip is the farthest from all previous ones
        gaps = [min(np.linalg.norm(f - features[c]) for c in chosen[:i]) for f in features]
        assert gaps[chosen[i]] >= max(gaps) - 1e-9


def test_k_center_chooses_the_corners():
    features = np.array([[0.1, 0.0], [10.0, 0.0], [10.0, 1.0], [-10.0, 0.0], [0.0, -6.0]])
    assert cover(features, 3) == [0, 3, 2]


@pytest.mark.parametrize(("method", "choose"), [("herding", herd), ("k-center", cover)])
def test_a_run_keeps_all_frames_of_the_chosen_clips(config, videos, method, choose):
    settings = config(method=method, extractor="random", vpc=3, iterations=None, lr=None, batch_real=None)
    condense(settings, videos)
    network, origin = extractor.extractor_network("random", videos, 0, torch.device("cpu"), lambda _: None)
    features = extractor.features_of(network, videos)
    with open_store(settings.out) as store:
        assert store.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        provenance = store.attributes["provenance"]
        assert provenance["method"] == method
        assert provenance["extractor"] == origin
        assert provenance["config"]["extractor"] == "random"
        for label in range(3):
            members = np.flatnonzero(videos.labels == label)
            for place, clip in enumerate(members[choose(features[members], 3)]):
                number = 3 * label + place
                assert provenance["sources"][number] == videos.source(int(clip))
                real = videos.clip(int(clip)).numpy().transpose(1, 0, 2, 3)
                np.testing.assert_allclose(store.clip(number), real, atol=1e-6)


@pytest.mark.parametrize(
    ("num_frames", "key_frames", "frames", "positions"),
    [
        (8, None, range(8), range(8)),
        (8, 8, range(8), range(8)),
        (8, 2, [0, 7], [0, 7]),
        (16, 4, [0, 5, 10, 15], [0, 5, 10, 15]),
        (8, 1, [4], [0]),
        (7, 1, [3], [0]),
        (2, 1, [1], [0]),
    ],
)
def test_kept_frames_are_evenly_spaced_or_the_middle_frame(num_frames, key_frames, frames, positions):
    kept, stored_at = kept_frames(num_frames, key_frames)
    assert (kept.tolist(), stored_at.tolist()) == (list(frames), list(positions))


@pytest.mark.parametrize("method", ["random", "herding", "k-center"])
@pytest.mark.parametrize(("key_frames", "frames"), [(1, [3]), (2, [0, 5]), (3, [0, 2, 5]), (6, range(6))])
def test_kept_frames_are_unchanged(config, videos, method, key_frames, frames):
    settings = config(method=method, key_frames=key_frames, extractor="random").resolved()
    plan = plan_run(settings, videos)
    condense(settings, videos)
    frames = list(frames)
    with open_store(settings.out) as store:
        assert store.dtype == "float32"
        assert plan.first_bytes == plan.most_bytes == store.storage.key_frame_bytes
        provenance = store.attributes["provenance"]
        assert provenance["config"]["key_frames"] == key_frames
        for number, source in enumerate(provenance["sources"]):
            assert source["frames"] == frames
            assert store.positions(number).tolist() == ([0] if key_frames == 1 else frames)
            (real,) = [n for n in range(len(videos)) if videos.source(n)["clip"] == source["clip"]]
            assert store.labels[number] == videos.labels[real]
            expected = videos.clip(real).numpy().transpose(1, 0, 2, 3)[frames]
            np.testing.assert_allclose(store.key_frames(number), expected, atol=1e-6)
            if key_frames == 1:  # runs repeat, apart from the time
                np.testing.assert_array_equal(store.clip(number), np.repeat(store.key_frames(number), 6, 0))


def test_the_choice_does_not_depend_on_how_many_frames_are_kept(config, videos):
    condense(config(method="random", key_frames=2, seed=3), videos)
    with open_store(config().out) as store:
        found = [source["clip"] for source in store.attributes["provenance"]["sources"]]
    drawn = chosen_real_clips(videos, 2, 3).tolist()
    assert found == [videos.source(clip)["clip"] for clip in drawn]


def test_the_source_numbers_kept_frames_as_in_their_file(config, tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    for name in ("a", "b"):
        for frame in range(9):
            picture = Image.fromarray(np.full((43, 43, 3), 20 * frame, np.uint8))
            path = tmp_path / "clips" / name / "clip" / f"{frame:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    clips = open_videos(str(tmp_path / "clips"), frames=4, stride=2, size=43)
    for key_frames, kept in ((1, [2]), (2, [0, 3])):
        settings = config(method="random", vpc=1, key_frames=key_frames, overwrite=True)
        condense(settings, clips)
        with open_store(settings.out) as store:
            sources = store.attributes["provenance"]["sources"]
            for number, source in enumerate(sources):
                assert source["file"] == clips.source(number)["file"]
                assert source["frames"] == [clips.source(number)["frames"][frame] for frame in kept]
                # Every picture has its own grey level, which identifies its number in the folder.
                mean, std = (np.array(clips.normalization[k]).reshape(3, 1, 1) for k in ("mean", "std"))
                greys = (store.key_frames(number) * std + mean).mean(axis=(1, 2, 3)) * 255 / 20
                assert greys.round(2).tolist() == source["frames"]


@pytest.mark.parametrize("method", ["random", "herding", "k-center"])
def test_more_key_frames_than_frames_raise_an_error_before_clips_are_chosen(config, videos, method):
    settings = config(method=method, key_frames=7).resolved()
    said = r"--key-frames must be between 1 and 6 for clips of 6 frames, got 7"
    with pytest.raises(SettingsError, match=said):
        plan_run(settings, videos)
    with pytest.raises(SettingsError, match=said):
        condense(settings, videos, on_event=lambda _: pytest.fail("the run started"))


def test_a_trained_extractor_is_trained_once_and_recorded(config, videos, tmp_path, short_training):
    origins, trained = [], []
    for seed in (0, 1):
        events = []
        settings = config(method="herding", seed=seed, out=str(tmp_path / f"{seed}.zarr"))
        condense(settings, videos, on_event=events.append)
        trained.append([e for e in events if isinstance(e, ExtractorTrained)])
        with open_store(settings.out) as store:
            origins.append(store.attributes["provenance"]["extractor"])
    assert [len(t) for t in trained] == [2, 0]  # the announcement and one pass
    assert origins[0] == origins[1]
    assert origins[0]["kind"] == "trained"
    (kept,) = (short_training / "extractors").iterdir()
    # --extractor also accepts the file in the cache.
    _, origin = extractor.extractor_network(str(kept), videos, 0, torch.device("cpu"), lambda _: None)
    assert origin["sha256"] == origins[0]["sha256"]
    # It is listed with the prepared clips and can be removed in the same way.
    (entry,) = list_entries()
    assert (entry["kind"], entry["key"]) == ("extractor", f"extractors/{kept.name}")
    assert remove_entry(entry["key"]) == entry["size_bytes"] > 0
    assert list_entries() == []
    with pytest.raises(DFSError, match="has no entry"):
        remove_entry(entry["key"])


def test_features_do_not_depend_on_the_other_clips(videos, monkeypatch):
    network, _ = extractor.extractor_network("random", videos, 0, torch.device("cpu"), lambda _: None)
    together = extractor.features_of(network, videos)
    monkeypatch.setattr(extractor, "_FEATURE_BATCH", 1)
    np.testing.assert_allclose(together, extractor.features_of(network, videos), rtol=1e-4, atol=1e-6)


def test_an_unusable_extractor_raises_an_error_that_names_it(config, videos, tmp_path):
    other = tmp_path / "other.pt"
    torch.save(ConvNet3D(7, 6, 43).state_dict(), other)
    nonsense, empty = tmp_path / "nonsense.pt", tmp_path / "empty.pt"
    nonsense.write_bytes(b"no network")
    empty.write_bytes(b"")
    for file in (other, nonsense, empty):
        with pytest.raises(SettingsError, match=f"{file.name} does not contain"):
            condense(config(method="herding", extractor=str(file)), videos)
    with pytest.raises(SettingsError, match="trained, random or a file"):
        condense(config(method="herding", extractor=str(tmp_path / "none.pt")), videos)
    with pytest.raises(SettingsError, match="--vpc 6 needs 6 real clips"):
        condense(config(method="k-center", extractor="random", vpc=6), videos)
    assert not (tmp_path / "out.zarr").exists()
