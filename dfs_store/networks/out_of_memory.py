"""Converts torch's out-of-memory errors to OutOfMemoryError, with a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dfs_store.errors import OutOfMemoryError
from dfs_store.names import first_line

__all__ = ["is_out_of_memory", "out_of_memory_named"]

# On the CPU, torch does not raise a dedicated exception. On a GPU, cuDNN may find no algorithm that fits the
# remaining memory, and cuBLAS may fail to create its handle.
_WORDS = (
    "can't allocate memory",
    "bad_alloc",
    "out of memory",
    "alloc_failed",
    "unable to find an engine",
    "unable to find a valid cudnn algorithm",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that a device or the host has run out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


@contextmanager
def out_of_memory_named(remedy: str) -> Iterator[None]:
    """Converts torch's out-of-memory errors to OutOfMemoryError.

    Args:
        remedy: advice for the user, which is appended to the message.

    Raises:
        OutOfMemoryError: the device ran out of memory in the block.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"the device is out of memory: {first_line(error)}; {remedy}") from error
