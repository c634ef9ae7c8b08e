"""dfs-store: condensed video datasets as key frames, rebuilt into full clips on the fly.

Public names are imported on first use (PEP 562), so ``import dfs_store`` does not import torch,
zarr, h5py or numpy.
"""

from typing import TYPE_CHECKING

from dfs_store.display import html_of
from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
    from dfs_store import condense, errors, evaluate, exchange, testing
    from dfs_store.format import KeyFrameStore, StorageReport, StoreWriter, open_store
    from dfs_store.loaders import DFSDataset, DFSLoader, interpolate
    from dfs_store.videos import VideoDataset, open_videos, test_videos

__version__ = "0.1.0"

__all__ = [
    "DFSDataset",
    "DFSLoader",
    "KeyFrameStore",
    "StorageReport",
    "StoreWriter",
    "VideoDataset",
    "condense",
    "errors",
    "evaluate",
    "exchange",
    "interpolate",
    "open_store",
    "open_videos",
    "test_videos",
    "testing",
]

_NAMES = {
    "dfs_store.format": ("KeyFrameStore", "StorageReport", "StoreWriter", "open_store"),
    "dfs_store.loaders": ("DFSDataset", "DFSLoader", "interpolate"),
    "dfs_store.videos": ("VideoDataset", "open_videos", "test_videos"),
}
_MODULES = ("condense", "errors", "evaluate", "exchange", "testing")


__getattr__, __dir__ = imported_on_first_use(__name__, _NAMES, _MODULES)


def _html_of_store(store: "KeyFrameStore") -> str:
    """Returns the HTML that a notebook shows for a store: a summary and a small contact sheet."""
    from dfs_store.names import counted
    from dfs_store.pictures.notebook import store_html

    return store_html(store, [repr(store), counted(len(store.class_names), "class")])


html_of["store"] = _html_of_store
