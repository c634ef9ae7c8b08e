"""Condenses videos: the methods, trainable key frames, insertion (Eq. 4-7) and matching (Eq. 8).

Names are imported on first use (PEP 562), so the command line reads the settings without importing torch.
"""

from typing import TYPE_CHECKING

from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
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
    from dfs_store.condense.plan import Plan, plan_run
    from dfs_store.condense.presets import Preset
    from dfs_store.condense.run import condense

__all__ = [
    "CheckpointSaved",
    "ClipsFitted",
    "CondenseConfig",
    "Condensed",
    "CondensedClip",
    "Event",
    "ExtractorTrained",
    "Method",
    "Plan",
    "Preset",
    "RunStarted",
    "StepDone",
    "StoreWritten",
    "condense",
    "plan_run",
]

_NAMES = {
    "dfs_store.condense.condensed": ("Condensed", "CondensedClip"),
    "dfs_store.condense.config": ("CondenseConfig",),
    "dfs_store.condense.events": (
        "CheckpointSaved",
        "ClipsFitted",
        "Event",
        "ExtractorTrained",
        "RunStarted",
        "StepDone",
        "StoreWritten",
    ),
    "dfs_store.condense.method": ("Method",),
    "dfs_store.condense.plan": ("Plan", "plan_run"),
    "dfs_store.condense.presets": ("Preset",),
    "dfs_store.condense.run": ("condense",),
}


__getattr__, __dir__ = imported_on_first_use(__name__, _NAMES)
