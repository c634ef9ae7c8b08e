"""One run per output: a second one would replace the checkpoints of the first, and race it for the store."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfs_store.errors import OutputExistsError
from dfs_store.format.io.durable import take_lock
from dfs_store.format.io.place import local_beside
from dfs_store.format.io.reading import read_found

__all__ = ["run_lock"]

_TRIES = 3  # the run before may remove its file between our opening and our locking it


@contextmanager
def run_lock(out: str) -> Iterator[None]:
    """Holds the output of a run, through a hidden file beside it that the system unlocks when the run dies.

    On disks without locks (some network mounts) runs are not told apart.

    Raises:
        OutputExistsError: another run holds it.
    """
    path = local_beside(out).absolute()
    path = path.with_name(f".{path.name}.run")
    descriptor = _hold(path, out)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                path.unlink()  # while it is locked: whoever opened it looks again
            os.close(descriptor)


def _hold(path: Path, out: str) -> int | None:
    for _ in range(_TRIES):
        try:
            descriptor = take_lock(path, os.O_RDWR | os.O_CREAT)
        except OSError:
            return None  # no locks here; where the folder cannot be written, the store's writer says so
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            return descriptor
        time.sleep(0.05)
    who = ""
    with contextlib.suppress(OSError):
        who = f" ({read_found(path, 100).decode('ascii', 'replace')})"
    raise OutputExistsError(
        f"{out}: another run{who} is condensing into it; wait for it or stop it, or choose another --out"
    )
