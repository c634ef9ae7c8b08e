"""Trackers are optional: if one is not installed, the error names the extra."""

import sys

import pytest

from dfs_store.condense.tracking.tensorboard import TensorboardTracker
from dfs_store.condense.tracking.wandb import WandbTracker
from dfs_store.errors import MissingDependencyError


@pytest.mark.parametrize("tracker", [TensorboardTracker, WandbTracker])
def test_a_missing_tracker_raises_an_error_that_names_its_extra(tracker, monkeypatch):
    monkeypatch.setitem(sys.modules, tracker.name, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'dfs-store\[{tracker.name}\]'"):
        tracker.check_installed()
