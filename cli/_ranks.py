"""Joins the processes that torchrun starts. Only the first one prints."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["first_prepares", "is_alone", "local_device", "rank_number", "ranks_joined"]

T = TypeVar("T")


def is_alone() -> bool:
    """Returns whether this process runs alone. Schedulers may set only some of torchrun's variables."""
    started = {"MASTER_ADDR", "RANK", "LOCAL_RANK", "WORLD_SIZE"} <= os.environ.keys()
    return not started or int(os.environ["WORLD_SIZE"]) == 1


def rank_number() -> int:
    """Returns the rank of this process, or 0 if it runs alone."""
    return 0 if is_alone() else int(os.environ["RANK"])


@contextmanager
def ranks_joined() -> Iterator[None]:
    """Joins the processes that torchrun started. Does nothing for a single process."""
    if is_alone():
        yield
        return
    import torch.distributed as dist

    dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def first_prepares(open_clips: Callable[[], T]) -> T:
    """Opens clips on the first rank, then on one rank per machine, then on all, to fill each cache once."""
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
    """Returns this rank's GPU for "auto" and "cuda" if there are GPUs, otherwise the name unchanged."""
    if is_alone() or name not in ("auto", "cuda"):
        return name
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(os.environ['LOCAL_RANK']) % count}" if count else name
