"""Reads the files of a Zarr store in a folder on a server."""

from collections.abc import Sequence

from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError, StoreUnreachableError
from dfs_store.format.io.files import Bytes, missing
from dfs_store.format.io.place import StoreURL
from dfs_store.format.io.remote import Remote, Want
from dfs_store.format.spec import MAX_HEADER_BYTES, ZARR_JSON
from dfs_store.format.zarr.files import RemoteZarrFiles

__all__ = ["RemoteFolderFiles"]


class RemoteFolderFiles(RemoteZarrFiles):
    """Reads the objects below a URL. Their sizes are unknown until they are read.

    Raises:
        StoreNotFoundError: there is no object below the URL.
        DamagedStoreError, NotAStoreError: there is no zarr.json.
        StoreUnreachableError: the server does not respond.
    """

    def __init__(self, place: StoreURL, large_arrays: Sequence[str]) -> None:
        self.place = place
        self._remote = Remote(place)
        self._kept: dict[str, bytes | None] = {}
        root = self._request_root()
        if root is None:
            raise self._no_root(large_arrays)
        self._root = root

    def has(self, name: str) -> bool:
        """Returns whether a file exists. Requests it if it was not prefetched."""
        if name == ZARR_JSON:
            return True
        if name not in self._kept:
            self.prefetch([(name, MAX_HEADER_BYTES)])
        return self._kept[name] is not None

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Returns a file's content. Raises DamagedStoreError if it is missing or exceeds `limit_bytes`."""
        data = self._root if name == ZARR_JSON else self._take(name, limit_bytes + 1)
        if len(data) > limit_bytes:
            raise DamagedStoreError(f"{self.where(name)} has more than the limit of {limit_bytes:,} bytes")
        return data

    def read_exactly(self, name: str, size_bytes: int, claim: str) -> bytes:
        """Returns the content of a file. Raises DamagedStoreError if its size is not exactly `size_bytes`."""
        data = self._take(name, size_bytes + 1)
        if len(data) != size_bytes:
            real = f"{len(data):,}" if len(data) < size_bytes else "more"
            raise DamagedStoreError(
                f"{self.where(name)}: {claim} needs {size_bytes:,} bytes, but the file has {real}"
            )
        return data

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Requests the files that will be read next, each up to a size limit in bytes, all at once."""
        self._kept.update(zip((name for name, _ in limits), self._remote.starts(list(limits)), strict=True))

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last `count_bytes` of each file, or None if the file is missing."""
        return self._remote.tails(names, count_bytes)

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files as read-only arrays. Raises DamagedStoreError if a file is too short."""
        return self._remote.gather(wants)

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the total size in bytes of all files, or of `names` if the server cannot list files."""
        return sum(self._remote.sizes(None if self._remote.lists else names))

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the zarr.json was replaced. Sends a request only if `suspected` is set."""
        return suspected and self._request_root() != self._root

    def close(self) -> None:
        """Discards prefetched files."""
        self._kept = {}

    def _request_root(self) -> bytes | None:
        return self._remote.starts([(ZARR_JSON, MAX_HEADER_BYTES + 1)])[0]

    def _take(self, name: str, limit_bytes: int) -> bytes:
        if name not in self._kept:
            self.prefetch([(name, limit_bytes)])
        data = self._kept.pop(name)
        if data is None:
            raise missing(self.where(name))
        return data

    def _no_root(self, large_arrays: Sequence[str]) -> Exception:
        try:
            for name in large_arrays:
                if self._remote.any_below(name):
                    return DamagedStoreError(f"{self.place} contains {name}, but its zarr.json is missing")
            if self._remote.any_below(""):
                return NotAStoreError(f"{self.place} contains no zarr.json, so it is not a Zarr v3 store")
        except (StoreNotFoundError, StoreUnreachableError):
            pass  # the server does not list files
        return StoreNotFoundError(f"{self.place}: there is no such store")
