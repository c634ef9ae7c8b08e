"""Shares key frames in memory with spawned processes.

A forked process shares the key frames anyway. A spawned process unpickles the dataset, and would otherwise
load and decode every key frame again.
"""

import os
import warnings
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from dfs_store.byte_sizes import mebibytes
from dfs_store.loaders.batching.tables import KeyFrameTable

__all__ = ["PassedTable"]

_SHARED_MEMORY = Path("/dev/shm")  # on Linux; the size of other systems' shared memory is unknown
_SPARED_BYTES = 16 * 2**20  # reserved for other shared data, such as batches


class PassedTable:
    """Holds a dataset's table. Pickling keeps the table only for a spawned process, in shared memory.

    Args:
        table: the dataset's key frames in memory, or None.
    """

    def __init__(self, table: KeyFrameTable | None) -> None:
        self.table = table

    def __reduce__(self) -> tuple[Any, ...]:
        return PassedTable, (None,)


def _reduce_for_process(passed: PassedTable) -> tuple[Any, ...]:
    # A queue pickles the same way, but its reader may outlive this process.
    if passed.table is None or get_spawning_popen() is None or not _fits(passed.table):
        return PassedTable, (None,)
    # Pickling moves this process's own table to shared memory; torch does so only once.
    return PassedTable, (passed.table,)


def _fits(table: KeyFrameTable) -> bool:
    """Returns whether a table fits into shared memory. Writing more than fits would kill the process."""
    needed = table.frames.nbytes + _SPARED_BYTES
    if table.frames.untyped_storage().is_shared() or not _SHARED_MEMORY.is_dir():
        return True
    about = os.statvfs(_SHARED_MEMORY)
    free = about.f_bavail * about.f_frsize
    if free < needed:
        warnings.warn(
            f"{_SHARED_MEMORY} has {mebibytes(free)} free, but sharing the key frames needs "
            f"{mebibytes(needed)}, so every spawned worker loads its own copy; enlarge {_SHARED_MEMORY} "
            '(docker run --shm-size), or use multiprocessing_context="fork"',
            stacklevel=2,
        )
    return free >= needed


ForkingPickler.register(PassedTable, _reduce_for_process)
