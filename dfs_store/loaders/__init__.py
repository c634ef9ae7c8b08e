"""Clips out of a store, for PyTorch: as a map-style dataset, as whole batches, or rebuilt from tensors."""

from dfs_store.loaders.dataset import DFSDataset
from dfs_store.loaders.loader import DFSLoader
from dfs_store.loaders.rebuild import interpolate

__all__ = ["DFSDataset", "DFSLoader", "interpolate"]
