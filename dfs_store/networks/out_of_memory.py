"""Names a device that is too small, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dfs_store.errors import OutOfMemoryError

__all__ = ["is_out_of_memory", "out_of_memory_named"]

# On the CPU torch has no class of its own for it; cuDNN finds no way to compute within what is left, and
# cuBLAS cannot make its handle.
_WORDS = (
    "can't allocate memory",
    "bad_alloc",
    "out of memory",
    "alloc_failed",
    "unable to find an engine",
    "unable to find a valid cudnn algorithm",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that a device, or the host, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


@contextmanager
def out_of_memory_named(remedy: str) -> Iterator[None]:
    """Turns torch's errors of too little memory into ours.

    Args:
        remedy: what to do, for people.

    Raises:
        OutOfMemoryError: the device was too small for what was done inside.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
            raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise OutOfMemoryError(f"the device is out of memory: {said}; {remedy}") from error
