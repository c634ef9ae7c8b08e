"""Key frames in memory that a spawned process shares with the one that spawned it.

A forked process shares them anyway. A spawned one is sent the dataset by pickle, and would otherwise load and
decode every key frame again into memory of its own.
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

_SHARED_MEMORY = Path("/dev/shm")  # where Linux keeps it; elsewhere its size cannot be asked for
_SPARED_BYTES = 16 * 2**20  # left for what else is shared, such as batches


class PassedTable:
    """A table in a pickled dataset: in shared memory for a process that is being spawned, else absent.

    Args:
        table: of the dataset; None if it was not passed, or there is none.
    """

    def __init__(self, table: KeyFrameTable | None) -> None:
        self.table = table

    def __reduce__(self) -> tuple[Any, ...]:
        return PassedTable, (None,)


def _reduce_for_process(passed: PassedTable) -> tuple[Any, ...]:
    # A queue pickles in the same way, but its reader may come when this process has ended.
    if passed.table is None or get_spawning_popen() is None or not _fits(passed.table):
        return PassedTable, (None,)
    # From now on the table of this process is in shared memory, too: torch moves it there once.
    return PassedTable, (passed.table,)


def _fits(table: KeyFrameTable) -> bool:
    """Returns whether there is shared memory for a table; torch would be killed for writing more."""
    needed = table.frames.nbytes + _SPARED_BYTES
    if table.frames.untyped_storage().is_shared() or not _SHARED_MEMORY.is_dir():
        return True
    about = os.statvfs(_SHARED_MEMORY)
    free = about.f_bavail * about.f_frsize
    if free < needed:
        warnings.warn(
            f"{_SHARED_MEMORY} has {mebibytes(free)} left and the key frames take "
            f"{mebibytes(table.frames.nbytes)}, so every spawned worker loads them into memory of its own; "
            'enlarge it (docker run --shm-size), or use multiprocessing_context="fork"',
            stacklevel=2,
        )
    return free >= needed


ForkingPickler.register(PassedTable, _reduce_for_process)
