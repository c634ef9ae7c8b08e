"""Snapshots save some clips during a run, as stores next to its output."""

import json

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.condense import condense
from dfs_store.condense.runtime.snapshots import Snapshots, snapshots_folder, snapshots_of
from dfs_store.errors import OutputExistsError, SettingsError, StoreNotFoundError
from tests.condense.stopped_runs import condense_until


def opened(files):
    return {steps: open_store(path) for steps, path in files.items()}


def digests(store):
    return {steps: snapshot.attributes["digest"] for steps, snapshot in opened(snapshots_of(store)).items()}


def test_clips_are_saved_from_the_start_to_the_end(videos, config):
    settings = config(snapshots=3, iterations=4, epsilon=0.9, warmup=0.25, cooldown=0.25)
    with condense(settings, videos) as store:
        found = opened(snapshots_of(store))
        assert list(found) == [0, 2, 4]
        for steps, snapshot in found.items():
            assert snapshot.provenance_object("snapshot") == {
                "steps_done": steps,
                "iterations": 4,
                "clips": [0, 2, 4],  # the first of each class
            }
            assert snapshot.class_names == store.class_names
            assert snapshot.labels.tolist() == [0, 1, 2]
            for number, clip in enumerate((0, 2, 4)):
                steps_of_keys = snapshot.inserted_at(number)
                assert (steps_of_keys < steps).all()
                # Key frames are never removed, so a snapshot contains those that were inserted before it.
                kept = store.inserted_at(clip) < steps
                assert snapshot.positions(number).tolist() == store.positions(clip)[kept].tolist()
        assert store.inserted_at(0).max() >= 0, "nothing was inserted, so the test shows little"
        last = found[4].key_frames(0)
        assert np.abs(last - store.key_frames(0)).max() < (last.max() - last.min()) / 100  # uint8
        assert not np.allclose(found[0].key_frames(0), found[4].key_frames(0)[: len(found[0].key_frames(0))])
    plain = config(out=settings.out.replace("out.zarr", "plain.zarr"), iterations=4, epsilon=0.9,
                   warmup=0.25, cooldown=0.25)  # fmt: skip
    with condense(plain, videos) as other, open_store(settings.out) as store:
        assert other.content_digest == store.content_digest
        assert other.storage == store.storage  # snapshots do not count
        assert "snapshots" not in store.provenance_object("config")


def test_a_resumed_run_has_the_snapshots_of_an_uninterrupted_one(videos, config):
    whole = config(out=config().out.replace("out", "whole"), snapshots=6)
    with condense(whole, videos) as store:
        wanted = {
            steps: snapshot.attributes["digest"] for steps, snapshot in opened(snapshots_of(store)).items()
        }
    settings = config(snapshots=6)
    condense_until(2, settings, videos)
    assert len(list(snapshots_folder(settings.out).iterdir())) == 4  # initially and after three steps
    with condense(config(snapshots=6, resume=True), videos) as store:
        found = {
            steps: snapshot.attributes["digest"] for steps, snapshot in opened(snapshots_of(store)).items()
        }
    assert list(found) == [0, 1, 2, 3, 4, 5]
    assert found == wanted


def test_earlier_snapshots_are_replaced_only_with_overwrite(videos, config):
    condense(config(snapshots=6), videos).close()
    folder = snapshots_folder(config().out)
    (folder.parent / "out.zarr").rename(folder.parent / "moved.zarr")
    with pytest.raises(OutputExistsError, match=r"snapshots of an earlier run; add --overwrite"):
        condense(config(snapshots=2), videos)
    condense(config(), videos).close()  # a run without snapshots ignores them
    with (
        open_store(config().out) as store,
        pytest.raises(SettingsError, match="are not from the run that"),
    ):
        snapshots_of(store)
    with condense(config(snapshots=2, overwrite=True), videos) as store:
        assert list(snapshots_of(store)) == [0, 5]
    (folder / "mine.txt").touch()
    with pytest.raises(OutputExistsError, match=r"mine\.txt in that folder is not a snapshot"):
        condense(config(snapshots=2, overwrite=True), videos)


def test_a_run_that_fails_its_checks_leaves_no_files_behind(videos, config):
    def refuse(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        condense(config(snapshots=3), videos, on_event=refuse)  # before its first step
    assert not snapshots_folder(config().out).exists()


def test_the_error_for_missing_snapshots_says_how_to_make_them(videos, config):
    with condense(config(), videos) as store, pytest.raises(StoreNotFoundError, match="with --snapshots N"):
        snapshots_of(store)


def test_dense_clips_are_saved_too(videos, config):
    settings = config(method="dm", snapshots=2, iterations=2)
    with condense(settings, videos) as store:
        assert [len(snapshot.positions(0)) for snapshot in opened(snapshots_of(store)).values()] == [6, 6]


def test_other_methods_note_that_they_ignore_snapshots(config):
    (note,) = config(method="random", snapshots=3).notes()
    assert "--snapshots, which method random does not use" in note


@pytest.mark.parametrize("number", [1, 1001])
def test_the_number_of_snapshots_is_limited(config, number):
    with pytest.raises(SettingsError, match=f"--snapshots must be in 2..1000.*got {number}"):
        config(snapshots=number)


def test_the_size_of_snapshots_is_limited(videos, config, monkeypatch):
    clip_bytes = 6 * 3 * 43 * 43
    monkeypatch.setattr("dfs_store.condense.runtime.snapshots.MOST_BYTES", 4 * 2 * clip_bytes)
    assert Snapshots(config(snapshots=4).resolved(), videos).clips == [0, 2]
    assert Snapshots(config(snapshots=100).resolved(), videos).clips == [0]


def test_snapshots_that_cannot_be_written_do_not_end_the_run(videos, config):
    snapshots_folder(config().out).mkdir()
    snapshots_folder(config().out).joinpath("after-0.h5").mkdir()  # cannot be removed or replaced
    with pytest.warns(UserWarning, match="continuing without them"):
        store = condense(config(snapshots=2, overwrite=True), videos)
    with store:
        assert len(store) == 6


def test_the_digest_of_the_finished_store_is_recorded(videos, config):
    with condense(config(snapshots=2), videos) as store:
        run = json.loads((snapshots_folder(config().out) / "run.json").read_text())
        assert run == {"schema": "dfs.snapshots/1", "store_digest": store.attributes["digest"]}
