"""Trains networks from scratch on a store, tests them on real videos, and compares methods and settings.

Names are imported on first use (PEP 562), so printing a table of results does not import torch.
"""

from typing import TYPE_CHECKING

from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
    from dfs_store.evaluate.comparison.run import Compared, compare, plan_comparison
    from dfs_store.evaluate.comparison.spec import Comparison
    from dfs_store.evaluate.result import EvaluatedOn, EvaluationResult, Score
    from dfs_store.evaluate.run import EvaluationProgress, EvaluationSettings, evaluate
    from dfs_store.evaluate.sources import StoreClips, clips_of
    from dfs_store.evaluate.table import read_results
    from dfs_store.evaluate.table_row import TableRow
    from dfs_store.videos.epochs import VideoClips

__all__ = [
    "Compared",
    "Comparison",
    "EvaluatedOn",
    "EvaluationProgress",
    "EvaluationResult",
    "EvaluationSettings",
    "Score",
    "StoreClips",
    "TableRow",
    "VideoClips",
    "clips_of",
    "compare",
    "evaluate",
    "plan_comparison",
    "read_results",
]

_NAMES = {
    "dfs_store.evaluate.comparison.run": ("Compared", "compare", "plan_comparison"),
    "dfs_store.evaluate.comparison.spec": ("Comparison",),
    "dfs_store.evaluate.result": ("EvaluatedOn", "EvaluationResult", "Score"),
    "dfs_store.evaluate.run": ("EvaluationProgress", "EvaluationSettings", "evaluate"),
    "dfs_store.evaluate.sources": ("StoreClips", "clips_of"),
    "dfs_store.evaluate.table": ("read_results",),
    "dfs_store.evaluate.table_row": ("TableRow",),
    "dfs_store.videos.epochs": ("VideoClips",),
}


__getattr__, __dir__ = imported_on_first_use(__name__, _NAMES)
