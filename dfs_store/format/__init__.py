"""Reads and writes stores in format 1.0, without importing torch.

docs/format.md describes the format in prose, and `spec` and `checks` implement its rules.
"""

from dfs_store.format.accounting import StorageReport, count_storage, key_frames_within
from dfs_store.format.checks.verify import Finding, verify
from dfs_store.format.copying.convert import copy_store
from dfs_store.format.copying.repair import repair_store
from dfs_store.format.io.transaction import check_output
from dfs_store.format.store import KeyFrameStore, open_store
from dfs_store.format.writer import StoreWriter

__all__ = [
    "Finding",
    "KeyFrameStore",
    "StorageReport",
    "StoreWriter",
    "check_output",
    "copy_store",
    "count_storage",
    "key_frames_within",
    "open_store",
    "repair_store",
    "verify",
]
