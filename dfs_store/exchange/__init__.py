"""Stores and what other people have: conversion, joining, export to common formats, import of dense clips.

Names are imported on first use (PEP 562): converting and joining stores must not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfs_store.exchange.convert import Conversion, convert_store
    from dfs_store.exchange.exports.export import Exported, export_store
    from dfs_store.exchange.imports.import_clips import Imported, import_clips
    from dfs_store.exchange.merge import Merged, merge_stores

__all__ = [
    "Conversion",
    "Exported",
    "Imported",
    "Merged",
    "convert_store",
    "export_store",
    "import_clips",
    "merge_stores",
]

_HOME = {
    "Conversion": "convert",
    "Exported": "exports.export",
    "Imported": "imports.import_clips",
    "Merged": "merge",
    "convert_store": "convert",
    "export_store": "exports.export",
    "import_clips": "imports.import_clips",
    "merge_stores": "merge",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    if name not in _HOME:
        raise AttributeError(f"module 'dfs_store.exchange' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"dfs_store.exchange.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
