"""Defines the interface to the files of a Zarr store in a folder, in an archive or on a server."""

from collections.abc import Sequence

from dfs_store.errors import DamagedStoreError
from dfs_store.format.io.files import Bytes, ByteSource, missing
from dfs_store.format.io.place import Place
from dfs_store.format.io.remote import Want

__all__ = ["RemoteZarrFiles", "ZarrFiles"]


class ZarrFiles:
    """Reads the files of a store by name, such as "labels/zarr.json".

    Attributes:
        place: location of the store.
    """

    place: Place

    def where(self, name: str) -> str:
        """Returns the path or URL of a file, for error messages."""
        return f"{self.place}/{name}"

    def has(self, name: str) -> bool:
        """Returns whether a file exists."""
        raise NotImplementedError

    def size_of(self, name: str) -> int:
        """Returns a file's size in bytes. Raises DamagedStoreError if it is missing or outside the store."""
        raise NotImplementedError

    def content(self, name: str, size_bytes: int) -> bytes:
        """Returns the content of a file of known size. Raises the errors of `size_of`."""
        raise NotImplementedError

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Returns a file's content. Raises DamagedStoreError if it is missing or exceeds `limit_bytes`."""
        size = self.size_of(name)
        if size > limit_bytes:
            raise DamagedStoreError(
                f"{self.where(name)} has {size:,} bytes, but at most {limit_bytes:,} are allowed"
            )
        return self.content(name, size)

    def read_exactly(self, name: str, size_bytes: int, claim: str) -> bytes:
        """Returns a file's content. Checks that it has exactly `size_bytes` before allocating memory.

        Raises:
            DamagedStoreError: the file is missing or has a different size. The message includes `claim`,
                which says what needs `size_bytes`.
        """
        size = self.size_of(name)
        if size != size_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: {claim} needs {size_bytes:,} bytes, but the file has {size:,}"
            )
        return self.content(name, size)

    def mapped(self, name: str) -> ByteSource:
        """Opens a file without reading it. Raises the errors of `size_of`."""
        raise NotImplementedError

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files as read-only arrays. Raises DamagedStoreError if a file is too short."""
        raise NotImplementedError

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Checks a file's size. Unless `thorough` is set, the check may be deferred to the first read.

        Raises:
            DamagedStoreError: the file is missing or has a different size.
        """
        raise NotImplementedError

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the total size in bytes of all files, or of `names` if the server cannot list files."""
        raise NotImplementedError

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the store has been replaced. Sends a request only if `suspected` is set."""
        raise NotImplementedError

    def close(self) -> None:
        """Clears the cache that is used while a store is being opened. Files can still be read."""

    def release(self) -> None:
        """Closes all files, including those that `gather` and `check_size` keep open."""
        self.close()


class RemoteZarrFiles(ZarrFiles):
    """Reads files on a server. Sends many requests at once, because each one is slow."""

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Requests the files that will be read next, each up to a size limit in bytes, all at once."""
        raise NotImplementedError

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last `count_bytes` of each file, or None if the file is missing."""
        raise NotImplementedError

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Checks a file's size, but only if `thorough` is set, because this requires requests."""
        if not thorough:
            return
        if self.tails([name], 1)[0] is None:
            raise missing(self.where(name))
        self.gather([Want(name, size_bytes - 1, size_bytes)])
