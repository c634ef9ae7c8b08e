"""Honest evaluation: train from scratch on a store, test on real videos, put results side by side.

Names are imported on first use (PEP 562), so that a table of results needs no torch.
"""

from typing import TYPE_CHECKING

from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
    from dfs_store.evaluate.result import EvaluatedOn, EvaluationResult, Score
    from dfs_store.evaluate.run import EvaluationProgress, EvaluationSettings, evaluate
    from dfs_store.evaluate.sources import StoreClips, clips_of
    from dfs_store.evaluate.table import TableRow, read_results
    from dfs_store.videos.epochs import VideoClips

__all__ = [
    "EvaluatedOn",
    "EvaluationProgress",
    "EvaluationResult",
    "EvaluationSettings",
    "Score",
    "StoreClips",
    "TableRow",
    "VideoClips",
    "clips_of",
    "evaluate",
    "read_results",
]

_HOME = {
    "EvaluatedOn": "dfs_store.evaluate.result",
    "EvaluationProgress": "dfs_store.evaluate.run",
    "EvaluationResult": "dfs_store.evaluate.result",
    "EvaluationSettings": "dfs_store.evaluate.run",
    "Score": "dfs_store.evaluate.result",
    "StoreClips": "dfs_store.evaluate.sources",
    "TableRow": "dfs_store.evaluate.table",
    "VideoClips": "dfs_store.videos.epochs",
    "clips_of": "dfs_store.evaluate.sources",
    "evaluate": "dfs_store.evaluate.run",
    "read_results": "dfs_store.evaluate.table",
}


__getattr__, __dir__ = imported_on_first_use(__name__, _HOME)
