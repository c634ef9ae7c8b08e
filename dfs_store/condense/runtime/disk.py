"""Estimates the disk space that a run needs before it starts, and checks it during the run."""

import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from dfs_store.condense.config import CondenseConfig
from dfs_store.errors import DiskFullError
from dfs_store.format.containers import container_of
from dfs_store.format.io.place import locate

__all__ = ["DiskNeed", "DiskWatch", "check_disk", "free_bytes", "warn_of_disk"]

# The two previous checkpoints still exist while a new one is written.
_CHECKPOINTS = 3
# The key frames of an HDF5 store are kept in a temporary file until their number is known.
_COPIES = {"zarr": 1, "zarr.zip": 1, "hdf5": 2}
_SECONDS_BETWEEN_LOOKS = 30.0


@dataclass(frozen=True)
class DiskNeed:
    """Disk space that a run needs, in bytes.

    Attributes:
        least: space for the initial key frames.
        most: space if every frame became a key frame.
    """

    least: int
    most: int

    @classmethod
    def of(cls, config: CondenseConfig, store: tuple[int, int], training: tuple[int, int]) -> "DiskNeed":
        """Computes the disk space from the sizes of the store and a checkpoint.

        Args:
            config: resolved settings.
            store: minimum and maximum size of the store's frames and native arrays, in bytes.
            training: minimum and maximum size of a checkpoint, in bytes; 0 if there are no checkpoints.
        """
        # Soft labels are computed from a temporary store.
        copies = _COPIES[container_of(locate(config.out))] + config.soft_labels
        least, most = (copies * store[end] + _CHECKPOINTS * training[end] for end in (0, 1))
        return cls(least, most)


def free_bytes(out: str) -> int:
    """Returns the number of free bytes on the disk where a store is, or will be, written.

    For a URL, returns the minimum over the disks for checkpoints and for the unfinished store.
    """
    place = locate(out)
    if not isinstance(place, Path):
        return min(shutil.disk_usage(folder).free for folder in (Path.cwd(), tempfile.gettempdir()))
    folder = place.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_disk(out: str, need: DiskNeed) -> None:
    """Raises DiskFullError if the disk has less free space than the minimum that the run needs."""
    free = free_bytes(out)
    if free < need.least:
        raise DiskFullError(
            f"{out}: the run needs at least {need.least:,} bytes on this disk, including checkpoints, but "
            f"only {free:,} are free; free up space, or choose a different --out"
        )


def warn_of_disk(out: str, need: DiskNeed) -> None:
    """Warns if the disk has less free space than the run may need."""
    free = free_bytes(out)
    if free < need.most:
        warnings.warn(
            f"{out}: if every frame became a key frame, the run would need {need.most:,} bytes on this disk, "
            f"including checkpoints; {free:,} are free",
            stacklevel=2,
        )


class DiskWatch:
    """Checks periodically whether the next checkpoint and the store will still fit on the disk."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._looked_seconds = time.monotonic()
        self._warned = False

    def look(self, key_frame_bytes: int) -> None:
        """Warns once if space is low. The run continues, because space may be freed in the meantime.

        Args:
            key_frame_bytes: size of all key frames as float32, in bytes.
        """
        if time.monotonic() - self._looked_seconds < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_seconds = time.monotonic()
        checkpoint = 2  # copies: the key frames and their momentum
        needed = (checkpoint + _COPIES[container_of(locate(self._out))]) * key_frame_bytes
        free = free_bytes(self._out)
        if free < needed and not self._warned:
            warnings.warn(
                f"{self._out}: {free:,} bytes are free on this disk, but the next checkpoint and the store "
                f"need {needed:,}; free up space while the run continues",
                stacklevel=2,
            )
        self._warned = free < needed
