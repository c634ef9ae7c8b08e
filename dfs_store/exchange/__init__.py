"""Converts, compares, merges and exports stores, and imports dense clips.

Names are imported on first use (PEP 562), because converting and merging must not import torch.
"""

from typing import TYPE_CHECKING

from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
    from dfs_store.exchange.convert import Conversion, convert_store
    from dfs_store.exchange.diff import StoreDifference, diff_stores
    from dfs_store.exchange.exports.export import Exported, export_store
    from dfs_store.exchange.imports.import_clips import Imported, import_clips
    from dfs_store.exchange.merge import Merged, merge_stores

__all__ = [
    "Conversion",
    "Exported",
    "Imported",
    "Merged",
    "StoreDifference",
    "convert_store",
    "diff_stores",
    "export_store",
    "import_clips",
    "merge_stores",
]

_NAMES = {
    "dfs_store.exchange.convert": ("Conversion", "convert_store"),
    "dfs_store.exchange.diff": ("StoreDifference", "diff_stores"),
    "dfs_store.exchange.exports.export": ("Exported", "export_store"),
    "dfs_store.exchange.imports.import_clips": ("Imported", "import_clips"),
    "dfs_store.exchange.merge": ("Merged", "merge_stores"),
}


__getattr__, __dir__ = imported_on_first_use(__name__, _NAMES)
