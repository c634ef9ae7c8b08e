"""Plans are made without decoding, and checked again against the decoded clips."""

import pytest

from dfs_store.condense import CondenseConfig, condense, plan_run
from dfs_store.condense.training_clips import TrainingClips, count_training_clips
from dfs_store.errors import OutputExistsError, SettingsError

CLASSES = ("fast", "slow", "still")


def test_a_plan_without_clips_counts_the_clips_that_the_settings_select(config):
    settings = config(frames=6, size=43, classes=CLASSES)
    plan = plan_run(settings)
    assert plan.real_clips == TrainingClips(dict.fromkeys(CLASSES, 100), 6, (3, 43, 43))
    held = plan_run(config(frames=6, size=43, classes=CLASSES, hold_out=0.2))
    assert all(0 < count < 100 for count in held.real_clips.per_class.values())
    assert plan.config.dtype == "float32"  # resolved


def test_a_plan_is_executed_unchanged(config, videos, monkeypatch):
    plan = plan_run(config(), videos)
    monkeypatch.setattr("dfs_store.condense.run.plan_run", lambda *_: pytest.fail("planned again"))
    with condense(plan, videos) as store:
        assert len(store) == plan.num_clips == 6


def test_clips_that_cannot_be_decoded_change_the_plan(config, videos):
    settings = config(method="random", vpc=6, frames=6, size=43, classes=CLASSES)
    plan = plan_run(settings)
    assert count_training_clips(settings).per_class["fast"] == 100
    with pytest.raises(SettingsError, match="--vpc 6 needs 6 real clips"):
        condense(plan, videos)


def test_a_store_written_after_the_plan_is_not_replaced(config, videos):
    plan = plan_run(config(), videos)
    condense(config(method="random"), videos)
    with pytest.raises(OutputExistsError):
        condense(plan, videos, on_event=lambda _: pytest.fail("the run started"))


def test_frames_too_small_for_the_network_raise_an_error_before_decoding(tmp_path):
    def planned(method, size=42):
        common = {"dataset": "moving-shapes", "vpc": 1, "out": str(tmp_path / "s.zarr"), "device": "cpu"}
        return plan_run(CondenseConfig(**common, method=method, size=size))

    for method in ("dfs", "dm", "static-dynamic", "herding", "k-center"):
        with pytest.raises(SettingsError, match="frames of at least 43 pixels, got --size 42"):
            planned(method)
    assert any("--size 42" in note and "43 pixels" in note for note in planned("random").notes)
    assert planned("random", 43).notes == ()
    assert planned("dfs", 43).notes == ()
