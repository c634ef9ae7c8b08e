"""Video datasets: finding and decoding files, sampling and caching clips, and built-in datasets.

Names are imported on first use (PEP 562). The decoding workers import modules of this package and must
never import torch: importing both decord and torch in one process can crash CUDA.
"""

from typing import TYPE_CHECKING

from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
    from dfs_store.videos.cache.prepare import PrepareProgress, prepare
    from dfs_store.videos.dataset import VideoDataset
    from dfs_store.videos.decode.sampling import Sampling
    from dfs_store.videos.files.catalogue import CATALOGUE, DatasetInfo
    from dfs_store.videos.files.cliplist import ClipFile, ClipList
    from dfs_store.videos.of_store import test_videos
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
    "test_videos",
]

_NAMES = {
    "dfs_store.videos.cache.prepare": ("PrepareProgress", "prepare"),
    "dfs_store.videos.dataset": ("VideoDataset",),
    "dfs_store.videos.decode.sampling": ("Sampling",),
    "dfs_store.videos.files.catalogue": ("CATALOGUE", "DatasetInfo"),
    "dfs_store.videos.files.cliplist": ("ClipFile", "ClipList"),
    "dfs_store.videos.of_store": ("test_videos",),
    "dfs_store.videos.opening": ("find_clips", "open_videos"),
}


__getattr__, __dir__ = imported_on_first_use(__name__, _NAMES)
