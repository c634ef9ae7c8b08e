"""Honest evaluation: train from scratch on a store, test on real videos."""

from dfs_store.evaluate.result import EvaluationResult, Score
from dfs_store.evaluate.run import EvaluationProgress, EvaluationSettings, evaluate
from dfs_store.evaluate.sources import StoreClips
from dfs_store.videos.epochs import VideoClips

__all__ = [
    "EvaluationProgress",
    "EvaluationResult",
    "EvaluationSettings",
    "Score",
    "StoreClips",
    "VideoClips",
    "evaluate",
]
