"""dfs-store: condensed video datasets as key frames, rebuilt into full clips on the fly.

Public names are imported on first use (PEP 562), so that ``import dfs_store`` stays free of torch,
zarr, h5py and numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dfs_store.display import html_of

if TYPE_CHECKING:
    from dfs_store import condense, errors, evaluate, exchange, testing
    from dfs_store.format import KeyFrameStore, StorageReport, StoreWriter, open_store
    from dfs_store.loaders import DFSDataset, DFSLoader, interpolate
    from dfs_store.videos import VideoDataset, open_videos

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
    "testing",
]

_HOME = {
    "DFSDataset": "loaders",
    "DFSLoader": "loaders",
    "KeyFrameStore": "format",
    "StorageReport": "format",
    "StoreWriter": "format",
    "VideoDataset": "videos",
    "interpolate": "loaders",
    "open_store": "format",
    "open_videos": "videos",
}
_MODULES = ("condense", "errors", "evaluate", "exchange", "testing")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    if name in _HOME:
        value = getattr(importlib.import_module(f"dfs_store.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"dfs_store.{name}")
    else:
        raise AttributeError(f"module 'dfs_store' has no attribute {name!r}")
    globals()[name] = value
    return value


def _html_of_store(store: "KeyFrameStore") -> str:
    """Returns what a notebook shows of a store: its facts, and a small contact sheet."""
    from dfs_store.pictures.notebook import store_html

    return store_html(store, [repr(store), f"{len(store.class_names)} classes"])


html_of["store"] = _html_of_store


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
