"""Reads a remote object (an HDF5 store or a zipped Zarr store) as a file."""

import numpy as np

from dfs_store.errors import StoreUnreachableError
from dfs_store.format.io.files import Bytes, ByteSource, too_short
from dfs_store.format.io.place import StoreURL
from dfs_store.format.io.remote import Remote, Want

__all__ = ["RemoteFile"]

_BLOCK_BYTES = 2 * 2**20


class RemoteFile(ByteSource):
    """A remote object, read in ranges.

    Raises:
        StoreNotFoundError, StoreUnreachableError: the object does not exist, or the request failed.
    """

    def __init__(self, place: StoreURL) -> None:
        self.remote = Remote(place)
        self._about = self.remote.about()
        self.size_bytes: int = self._about["size"]
        self._blocks: dict[int, Bytes] = {}

    def part(self, start: int, stop: int) -> Bytes:
        """Returns bytes start..stop as a read-only array; blocks are cached until `forget` is called.

        Raises:
            DamagedStoreError: the file is too short.
            StoreUnreachableError: the server does not respond.
        """
        if stop > self.size_bytes:
            raise too_short(self.remote.where(), self.size_bytes, stop)
        if stop <= start:
            return np.empty(0, dtype=np.uint8)
        numbers = range(start // _BLOCK_BYTES, (stop - 1) // _BLOCK_BYTES + 1)
        missing = [number for number in numbers if number not in self._blocks]
        ends = [(number * _BLOCK_BYTES, (number + 1) * _BLOCK_BYTES) for number in missing]
        found = self.parts([(begin, min(end, self.size_bytes)) for begin, end in ends])
        self._blocks.update(zip(missing, found, strict=True))
        first = numbers[0] * _BLOCK_BYTES
        blocks = [self._blocks[number] for number in numbers]
        joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        view = joined[start - first : stop - first]
        view.setflags(write=False)
        return view

    def parts(self, spans: list[tuple[int, int]]) -> list[Bytes]:
        """Returns several ranges of bytes, read-only, bypassing the cache. Adjacent ranges are merged.

        Raises:
            DamagedStoreError: the file is too short.
            StoreUnreachableError: the server does not respond.
        """
        self.failure = None
        try:
            return self.remote.gather([Want("", *span) for span in spans])
        except StoreUnreachableError as error:
            self.failure = error
            raise

    def forget(self) -> None:
        """Clears the cache. Later reads request their blocks again."""
        self._blocks = {}

    def was_replaced(self) -> bool:
        """Returns whether the object at the URL has been replaced since it was opened."""
        return self.remote.about() != self._about
