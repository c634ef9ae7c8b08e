"""Herding chooses real clips so that the mean of their features stays closest to that of their class."""

from dfs_store.condense.engine.herd import herd
from dfs_store.condense.methods._coreset import coreset

__all__ = ["METHOD"]

METHOD = coreset(herd)
