"""The processes that torchrun starts: they find each other, and only the first one prints."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["first_prepares", "local_device", "rank_number", "ranks_joined"]

T = TypeVar("T")


def _has_company() -> bool:
    """Returns whether torchrun started this process with others; schedulers set some of its variables too."""
    started = {"MASTER_ADDR", "RANK", "LOCAL_RANK", "WORLD_SIZE"} <= os.environ.keys()
    return started and int(os.environ["WORLD_SIZE"]) > 1


def rank_number() -> int:
    """Returns the rank of this process, 0 where torchrun did not start it with others."""
    return int(os.environ["RANK"]) if _has_company() else 0


@contextmanager
def ranks_joined() -> Iterator[None]:
    """Joins the processes that torchrun started; does nothing for one alone."""
    if not _has_company():
        yield
        return
    import torch.distributed as dist

    dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def first_prepares(open_clips: Callable[[], T]) -> T:
    """Opens clips on the first rank, the first of every machine, then on all: each cache is filled once."""
    from dfs_store.condense.runtime.ranks import Ranks

    ranks = Ranks.current()
    turns = (ranks.is_first, os.environ.get("LOCAL_RANK") == "0", True)
    opened: T | None = None
    for turn in turns:
        if turn and opened is None:
            opened = open_clips()
        ranks.totals([0])
    assert opened is not None
    return opened


def local_device(name: str) -> str:
    """Returns a device name with the GPU of this rank for "auto" and "cuda"."""
    if not _has_company() or name not in ("auto", "cuda"):
        return name
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(os.environ['LOCAL_RANK']) % count}" if count else name
