"""Real videos in: catalogue, decoding, sampling, the cache of prepared clips, moving-shapes.

Names are imported on first use (PEP 562): the decoding workers import modules of this package, and
must never import torch (importing decord and torch into one process can crash CUDA).
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfs_store.videos.cache.prepare import PrepareProgress, prepare
    from dfs_store.videos.dataset import VideoDataset
    from dfs_store.videos.decode.sampling import Sampling
    from dfs_store.videos.files.catalogue import CATALOGUE, DatasetInfo
    from dfs_store.videos.files.cliplist import ClipFile, ClipList
    from dfs_store.videos.opening import find_clips, open_videos

__all__ = [
    "CATALOGUE",
    "ClipFile",
    "ClipList",
    "DatasetInfo",
    "PrepareProgress",
    "Sampling",
    "VideoDataset",
    "find_clips",
    "open_videos",
    "prepare",
]

_HOME = {
    "CATALOGUE": "files.catalogue",
    "ClipFile": "files.cliplist",
    "ClipList": "files.cliplist",
    "DatasetInfo": "files.catalogue",
    "PrepareProgress": "cache.prepare",
    "Sampling": "decode.sampling",
    "VideoDataset": "dataset",
    "find_clips": "opening",
    "open_videos": "opening",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    if name not in _HOME:
        raise AttributeError(f"module 'dfs_store.videos' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"dfs_store.videos.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
