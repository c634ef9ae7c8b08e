"""The interface to the files of a Zarr store, for folders, archives and servers."""

from collections.abc import Sequence

from dfs_store.errors import DamagedStoreError
from dfs_store.format.io.files import Bytes, ByteSource
from dfs_store.format.io.place import Place
from dfs_store.format.io.remote import Want

__all__ = ["RemoteZarrFiles", "ZarrFiles"]


class ZarrFiles:
    """Files of a store by name, such as "labels/zarr.json".

    Attributes:
        place: location of the store.
    """

    place: Place

    def where(self, name: str) -> str:
        """Returns the name of a file in error messages."""
        return f"{self.place}/{name}"

    def has(self, name: str) -> bool:
        """Returns whether a file exists."""
        raise NotImplementedError

    def size_of(self, name: str) -> int:
        """Returns the size of a file. Raises DamagedStoreError if it is missing, or outside the store."""
        raise NotImplementedError

    def content(self, name: str, size_bytes: int) -> bytes:
        """Returns the content of a file of known size. Raises DamagedStoreError, see `size_of`."""
        raise NotImplementedError

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Returns a file's content. Raises DamagedStoreError also if it exceeds `limit_bytes`."""
        size = self.size_of(name)
        if size > limit_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: has {size:,} bytes, more than the {limit_bytes:,} allowed"
            )
        return self.content(name, size)

    def read_exactly(self, name: str, size_bytes: int, claim: str) -> bytes:
        """Returns the content of a file of exactly `size_bytes`. Allocates no memory for other sizes.

        Raises:
            DamagedStoreError: see `read`, or the file has another size; the message names the `claim`.
        """
        size = self.size_of(name)
        if size != size_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: {claim} needs {size_bytes:,} bytes, the file has {size:,}"
            )
        return self.content(name, size)

    def mapped(self, name: str) -> ByteSource:
        """Returns a file's bytes without reading them. Raises DamagedStoreError, see `size_of`."""
        raise NotImplementedError

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files, read-only. Raises DamagedStoreError if a file is too short."""
        raise NotImplementedError

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Checks a file's size, which may be deferred to the first read unless the check is thorough.

        Raises:
            DamagedStoreError: the file has another size, or is missing.
        """
        raise NotImplementedError

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the total size of all files; of the named ones if the server cannot list files."""
        raise NotImplementedError

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the store has been replaced. Sends a request only if this is suspected."""
        raise NotImplementedError

    def close(self) -> None:
        """Releases what is cached while a store is opened. Later reads open files again."""

    def release(self) -> None:
        """Also releases the files mapped by `check_size`, which belong to the open store."""
        self.close()


class RemoteZarrFiles(ZarrFiles):
    """Files on a server, where requests are slow, and therefore sent many at a time."""

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Requests files that will be read next, each up to a size limit, all at once."""
        raise NotImplementedError

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last bytes of files; None for one that is missing."""
        raise NotImplementedError

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Compares a file's size if the check is thorough, since it takes a request."""
        if not thorough:
            return
        found = self.tails([name], 1)[0]
        if found is None:
            raise DamagedStoreError(f"{self.where(name)}: missing or unreadable (no such object)")
        self.gather([Want(name, size_bytes - 1, size_bytes)])
