"""The condenser: trainable key frames, insertion (Eq. 4-7), matching (Eq. 8), and the paper's methods.

Names are imported on first use (PEP 562): the command line reads the settings without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

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
    from dfs_store.condense.presets import Preset
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
    "Preset",
    "RunStarted",
    "StepDone",
    "StoreWritten",
    "check_run",
    "condense",
]

_HOME = {
    "CheckpointSaved": "events",
    "ClipsFitted": "events",
    "CondenseConfig": "config",
    "Condensed": "condensed",
    "CondensedClip": "condensed",
    "Event": "events",
    "ExtractorTrained": "events",
    "Method": "method",
    "Preset": "presets",
    "RunStarted": "events",
    "StepDone": "events",
    "StoreWritten": "events",
    "check_run": "run",
    "condense": "run",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    if name not in _HOME:
        raise AttributeError(f"module 'dfs_store.condense' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"dfs_store.condense.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
