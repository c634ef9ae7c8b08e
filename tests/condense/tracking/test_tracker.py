"""A tracker is an extra: without it the error names it."""

import sys

import pytest

from dfs_store.condense.tracking.tensorboard import TensorboardTracker
from dfs_store.condense.tracking.wandb import WandbTracker
from dfs_store.errors import MissingDependencyError


@pytest.mark.parametrize("tracker", [TensorboardTracker, WandbTracker])
def test_a_tracker_that_is_not_installed_is_named(tracker, monkeypatch):
    monkeypatch.setitem(sys.modules, tracker.name, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'dfs-store\[{tracker.name}\]'"):
        tracker.check_installed()
