"""Allows one run per output at a time; two runs would overwrite each other's checkpoints and store."""

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

_TRIES = 3  # a finishing run may remove its file between our opening and locking it


@contextmanager
def run_lock(out: str) -> Iterator[None]:
    """Locks a run's output with a hidden file next to it, which the system unlocks if the process dies.

    On disks that do not support locks (some network mounts), concurrent runs are not detected.

    Raises:
        OutputExistsError: a different run has locked the output.
    """
    path = local_beside(out).absolute()
    path = path.with_name(f".{path.name}.run")
    descriptor = _hold(path, out)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                path.unlink()  # while locked: another process that opened the file checks again
            os.close(descriptor)


def _hold(path: Path, out: str) -> int | None:
    for _ in range(_TRIES):
        try:
            descriptor = take_lock(path, os.O_RDWR | os.O_CREAT)
        except OSError:
            return None  # no locks on this disk; if the folder is not writable, the store's writer raises
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            return descriptor
        time.sleep(0.05)
    who = ""
    with contextlib.suppress(OSError):
        who = f" ({read_found(path, 100).decode('ascii', 'replace')})"
    raise OutputExistsError(
        f"another run{who} is writing to {out}; wait for that run to end, stop it, or choose a different "
        "--out"
    )
