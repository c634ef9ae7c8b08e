"""Splits classes among processes: determines which rank trains which clips, and how ranks communicate.

Classes are independent given the network of a step, and every rank draws the same network from the seed.
Ranks therefore exchange no gradients, only progress counts and two flags per step, checkpoints and results.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from dfs_store.errors import LostRankError, SettingsError
from dfs_store.names import counted, first_line

__all__ = ["ALONE", "Ranks"]

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, all of which must make the collective calls in the same order.

    Attributes:
        rank: rank of this process, 0 for the first.
        size: number of processes.
        group: process group for data in host memory; None for a single process.
    """

    rank: int = 0
    size: int = 1
    group: dist.ProcessGroup | None = None

    @classmethod
    def current(cls) -> "Ranks":
        """Returns the ranks of torch.distributed if it is initialised with any backend, otherwise `ALONE`.

        The first call creates a gloo group, so all processes must make it.
        """
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), _own_group())

    @property
    def is_first(self) -> bool:
        """Whether this rank writes files and prints for all ranks."""
        return self.rank == 0

    def share(self, sizes: Sequence[int]) -> range:
        """Returns the range of parts of the work assigned to this rank, balanced by their sizes.

        Args:
            sizes: number of clips in each part.

        Raises:
            SettingsError: a rank would be assigned no part.
        """
        owners = _owners(sizes, self.size)
        if len(np.unique(owners)) < self.size:
            fewer = next(n for n in range(self.size - 1, 0, -1) if len(np.unique(_owners(sizes, n))) == n)
            raise SettingsError(
                f"{self.size} processes cannot share {sum(sizes)} clips in {len(sizes)} parts, because one "
                f"process would get none; use {counted(fewer, 'process')} (torchrun --nproc-per-node)"
            )
        mine = np.flatnonzero(owners == self.rank)
        return range(int(mine[0]), int(mine[-1]) + 1)

    def totals(self, values: Sequence[float]) -> list[float]:
        """Returns the sums of the values over all ranks."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device="cpu")
        with _lost_rank_named():
            dist.all_reduce(total, group=self.group)
        return [float(value) for value in total]

    def gather(self, value: T) -> list[T] | None:
        """Returns the values of all ranks on the first rank, and None on the others."""
        if self.size == 1:
            return [value]
        values: list[T | None] | None = [None] * self.size if self.is_first else None
        with _lost_rank_named():
            dist.gather_object(value, values, group=self.group)
        return values  # type: ignore[return-value]

    def from_first(self, make: Callable[[], T]) -> T:
        """Calls `make` on the first rank, and returns its value or raises its error on all ranks."""
        if self.size == 1:
            return make()
        box: list[tuple[T | None, Exception | None]] = [(None, None)]
        if self.is_first:
            try:
                box = [(make(), None)]
            except Exception as error:  # noqa: BLE001 - raised again on every rank
                box = [(None, error)]
        with _lost_rank_named():
            dist.broadcast_object_list(box, src=0, group=self.group)
        made, failure = box[0]
        if failure is not None:
            raise failure
        return made  # type: ignore[return-value]

    def in_order(self, items: Iterator[T]) -> Iterator[T]:
        """Yields the items of all ranks in order on the first rank. The other ranks yield nothing.

        Items are sent one at a time, so that the first rank need not keep all of them in memory.
        """
        if not self.is_first:
            for item in items:
                with _lost_rank_named():
                    dist.send_object_list([item, True], dst=0, group=self.group)
            with _lost_rank_named():
                dist.send_object_list([None, False], dst=0, group=self.group)
            return
        yield from items
        for rank in range(1, self.size):
            while True:
                box: list[object] = [None, False]
                with _lost_rank_named():
                    dist.recv_object_list(box, src=rank, group=self.group)
                if not box[1]:
                    break
                yield box[0]  # type: ignore[misc]


ALONE = Ranks()

# Ranks may wait while the first one decodes a dataset; a rank that dies is detected at once regardless.
_PATIENCE = timedelta(days=1)
# A weak reference, because a group that outlives torch's groups aborts the process.
_made: list[weakref.ref[dist.ProcessGroup]] = []


def _own_group() -> dist.ProcessGroup:
    """Returns a group of all processes for data in host memory, with a long timeout.

    The default group may use NCCL, which only transfers GPU memory, and has a short timeout.
    """
    group = _made[0]() if _made else None
    if group is None:
        with _lost_rank_named():
            if dist.get_backend() == "gloo":
                dist.barrier()  # fails at once if a rank has died; new_group would wait for it
            made = dist.new_group(backend="gloo", timeout=_PATIENCE)
        assert isinstance(made, dist.ProcessGroup)  # not the marker for non-members
        _made[:] = [weakref.ref(made)]
        return made
    return group


def _owners(sizes: Sequence[int], num_ranks: int) -> npt.NDArray[np.int64]:
    """Assigns each part to a rank by the position of its middle among all clips. Returns the ranks."""
    counts = np.asarray(sizes, dtype=np.int64)
    ends = np.cumsum(counts)
    owners: npt.NDArray[np.int64] = (2 * ends - counts) * num_ranks // (2 * ends[-1])
    return owners


@contextmanager
def _lost_rank_named() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ConnectionError) as error:
        raise LostRankError(
            f"another process of this run ended early ({first_line(error)[:120]}); see its message. "
            "The last checkpoint was kept; continue with --resume and any number of processes"
        ) from error
