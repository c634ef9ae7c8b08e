"""Clips out of a store, for PyTorch: one item, one batch, or rebuilt from tensors."""

from dfs_store.loaders.rebuild import interpolate

__all__ = ["interpolate"]
