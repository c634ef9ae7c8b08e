"""The condenser: trainable key frames, insertion (Eq. 4-7), matching (Eq. 8), and the paper's methods."""

from dfs_store.condense.condensed import Condensed, CondensedClip
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import (
    CheckpointSaved,
    ClipsFitted,
    Event,
    ExtractorTrained,
    RunStarted,
    StepDone,
    StoreWritten,
)
from dfs_store.condense.method import Method
from dfs_store.condense.run import check_run, condense

__all__ = [
    "CheckpointSaved",
    "ClipsFitted",
    "CondenseConfig",
    "Condensed",
    "CondensedClip",
    "Event",
    "ExtractorTrained",
    "Method",
    "RunStarted",
    "StepDone",
    "StoreWritten",
    "check_run",
    "condense",
]
