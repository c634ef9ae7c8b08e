"""Loads clips from stores into PyTorch, one by one or in batches, and rebuilds clips from tensors."""

from dfs_store.loaders.dataset import DFSDataset
from dfs_store.loaders.loader import DFSLoader
from dfs_store.loaders.rebuild import interpolate

__all__ = ["DFSDataset", "DFSLoader", "interpolate"]
