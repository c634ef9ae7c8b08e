"""Herding chooses real clips whose running mean stays closest to the mean of their class."""

from dfs_store.condense.engine.herd import herd
from dfs_store.condense.methods._coreset import coreset

__all__ = ["METHOD"]

METHOD = coreset(herd)
