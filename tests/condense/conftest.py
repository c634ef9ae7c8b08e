"""Small real clips of a built-in dataset that are just large enough for ConvNet3D."""

import pytest

from dfs_store import open_videos
from dfs_store.condense import CondenseConfig

CLASSES = ("fast", "slow", "still")


@pytest.fixture(scope="session")
def videos():
    return open_videos("moving-shapes", frames=6, size=43, clips_per_class=5, classes=CLASSES)


@pytest.fixture
def config(tmp_path):
    """Returns a function that makes the settings of a short run that inserts in the middle."""

    def make(**changes):
        settings = {
            "out": str(tmp_path / "out.zarr"),
            "dataset": "moving-shapes",
            "vpc": 2,
            "iterations": 5,
            "lr": 1.0,
            "batch_real": 3,
            "device": "cpu",
        }
        return CondenseConfig(**{**settings, **changes})

    return make
