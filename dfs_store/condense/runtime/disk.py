"""What a run will need of the disk that its store goes to: worked out before it, and looked at during it."""

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

# While one is written, the two before it still lie beside it.
_CHECKPOINTS = 3
# The key frames of an HDF5 store are spooled until their number is known.
_COPIES = {"zarr": 1, "zarr.zip": 1, "hdf5": 2}
_SECONDS_BETWEEN_LOOKS = 30.0


@dataclass(frozen=True)
class DiskNeed:
    """Bytes that a run takes of its disk.

    Attributes:
        least: with the key frames that it starts from.
        most: if every frame became a key frame.
    """

    least: int
    most: int

    @classmethod
    def of(cls, config: CondenseConfig, store: tuple[int, int], training: tuple[int, int]) -> "DiskNeed":
        """Works it out.

        Args:
            config: resolved settings.
            store: the least and the most bytes of the store's frames and native arrays.
            training: the least and the most bytes of what a checkpoint keeps; 0 where there are none.
        """
        # Soft labels are those of the clips of a store that is written first.
        copies = _COPIES[container_of(locate(config.out))] + config.soft_labels
        least, most = (copies * store[end] + _CHECKPOINTS * training[end] for end in (0, 1))
        return cls(least, most)


def free_bytes(out: str) -> int:
    """Returns the bytes that are free on the disk of a store that need not be there yet.

    Of a URL, on the fuller of the two disks that take checkpoints and the unfinished store.
    """
    place = locate(out)
    if not isinstance(place, Path):
        return min(shutil.disk_usage(folder).free for folder in (Path.cwd(), tempfile.gettempdir()))
    folder = place.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_disk(out: str, need: DiskNeed) -> None:
    """Compares what is free with what a run needs.

    Raises:
        DiskFullError: the run cannot end with a store.
    """
    free = free_bytes(out)
    if free < need.least:
        raise DiskFullError(
            f"{out}: the run needs at least {need.least:,} bytes of its disk, checkpoints included, and "
            f"{free:,} are free; make room, or choose another --out"
        )


def warn_of_disk(out: str, need: DiskNeed) -> None:
    """Warns if the run may run out of room, though it need not."""
    free = free_bytes(out)
    if free < need.most:
        warnings.warn(
            f"{out}: if every frame became a key frame, the run would need {need.most:,} bytes of its disk, "
            f"checkpoints included, and {free:,} are free",
            stacklevel=2,
        )


class DiskWatch:
    """Looks now and then whether the next checkpoint and the store will still find room."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._looked_seconds = time.monotonic()
        self._warned = False

    def look(self, key_frame_bytes: int) -> None:
        """Warns, once until there is room again; the run goes on, since room may be made meanwhile.

        Args:
            key_frame_bytes: of all key frames as float32; a checkpoint keeps their momentum too.
        """
        if time.monotonic() - self._looked_seconds < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_seconds = time.monotonic()
        needed = (2 + _COPIES[container_of(locate(self._out))]) * key_frame_bytes
        free = free_bytes(self._out)
        if free < needed and not self._warned:
            warnings.warn(
                f"{self._out}: {free:,} bytes are free on its disk, and the next checkpoint and the store "
                f"need {needed:,}: make room while the run goes on",
                stacklevel=2,
            )
        self._warned = free < needed
