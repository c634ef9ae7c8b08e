"""Forecasts of how long a run takes, which time its own loop and write nothing."""

import itertools

import pytest

from dfs_store import open_videos
from dfs_store.condense import condense, plan_run
from dfs_store.condense import forecast as forecasting
from dfs_store.condense.engine import extractor
from dfs_store.condense.forecast import forecast_run
from dfs_store.networks import TrainingSettings
from tests.condense.stopped_runs import condense_until
from tests.videos.making import make_folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small(config):
    def make(**changes):
        return config(**{"classes": ("fast", "still"), "frames": 4, "size": 43, "vpc": 1, **changes})

    return make


@pytest.fixture
def clock(monkeypatch):
    """Replaces the clock with one on which every step takes one second."""
    ticks = itertools.count()
    monkeypatch.setattr(forecasting, "synchronised_clock", lambda _device: float(next(ticks)))


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"iterations": 100}, 100),
        ({"iterations": 2}, 2),
        ({"method": "dm", "iterations": 50}, 50),
        ({"method": "static-dynamic", "iterations": 30, "static_iterations": 200}, 230),
        ({"iterations": 100, "checkpoint_every": 1, "init": "herding"}, 100),
        ({"iterations": 100, "snapshots": 5}, 100),
    ],
)
def test_every_step_is_counted_and_nothing_is_written(small, tmp_path, cache, clock, settings, steps):
    made = forecast_run(plan_run(small(**settings)))
    assert made.parts["steps"] == steps
    assert not made.rough
    assert ("embedding" in made.parts) == (settings.get("init") == "herding")
    assert not cache.exists()
    assert not list(tmp_path.iterdir())


def test_steps_before_a_checkpoint_are_not_counted(small, tmp_path, clock):
    videos = open_videos("moving-shapes", frames=4, size=43, classes=("fast", "still"))
    settings = small(iterations=20, checkpoint_every=5)
    condense_until(7, settings, videos)
    there = {path: path.read_bytes() for path in tmp_path.iterdir()}
    made = forecast_run(plan_run(small(iterations=20, checkpoint_every=5, resume=True)))
    assert made.parts["steps"] == 12
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == there


@pytest.mark.parametrize("method", ["herding", "k-center", "pack", "random"])
def test_methods_that_keep_real_clips_are_forecast(small, tmp_path, cache, method):
    keys = {"key_frames": 2} if method == "pack" else {}
    parts = forecast_run(plan_run(small(method=method, **keys))).parts
    assert ("network" in parts) == ("embedding" in parts) == (method != "random")
    assert all(seconds > 0 for seconds in parts.values())
    assert not cache.exists()
    assert not list(tmp_path.iterdir())


def test_a_cached_network_takes_no_time(small, monkeypatch):
    short = TrainingSettings(epochs=0, batch_size=32, standardisation="clip")
    for module in (extractor, forecasting):
        monkeypatch.setattr(module, "EXTRACTOR_TRAINING", short)
    settings = small(method="herding")
    assert "network" in forecast_run(plan_run(settings)).parts
    videos = open_videos("moving-shapes", frames=4, size=43, classes=("fast", "still"))
    condense(settings, videos).close()
    assert "network" not in forecast_run(plan_run(small(method="herding", overwrite=True))).parts


def test_the_forecast_is_rough_if_videos_are_not_prepared(small, tmp_path, cache):
    folder = make_folder(tmp_path / "videos", ("x", "y"), clips=12)
    settings = small(dataset=str(folder), classes=None, frames=4, stride=1, size=43, iterations=100)
    made = forecast_run(plan_run(settings))
    assert made.rough
    assert made.parts["decoding"] > 0
    assert made.parts["steps"] > 0
    assert not cache.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"videos"}
    document = made.to_json()
    assert document["forecast_seconds"] == pytest.approx(sum(document["forecast_parts"].values()), abs=0.01)


def test_a_user_defined_method_has_no_forecast(small, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def method(small, videos):\n    raise AssertionError('run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert forecast_run(plan_run(small(method="mine:method"))) is None
