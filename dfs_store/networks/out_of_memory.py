"""Names a device that is too small, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dfs_store.errors import OutOfMemoryError

__all__ = ["out_of_memory_named"]


@contextmanager
def out_of_memory_named(remedy: str) -> Iterator[None]:
    """Turns torch's OutOfMemoryError into ours.

    Args:
        remedy: what to do, for people.

    Raises:
        OutOfMemoryError: the device was too small for what was done inside.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"the device is out of memory: {str(error).splitlines()[0]}; {remedy}"
        ) from error
