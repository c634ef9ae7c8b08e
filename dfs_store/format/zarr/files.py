"""The files of a Zarr store, wherever they are: what readers ask of a folder, an archive or a server."""

from collections.abc import Sequence

from dfs_store.errors import DamagedStoreError
from dfs_store.format.io.files import Bytes, ByteSource
from dfs_store.format.io.place import Place
from dfs_store.format.io.remote import Want

__all__ = ["RemoteZarrFiles", "ZarrFiles"]


class ZarrFiles:
    """Files by their names, "labels/zarr.json".

    Attributes:
        place: of the store.
    """

    place: Place

    def where(self, name: str) -> str:
        """Returns what messages call a file."""
        return f"{self.place}/{name}"

    def has(self, name: str) -> bool:
        """Returns whether there is a file of that name."""
        raise NotImplementedError

    def size_of(self, name: str) -> int:
        """Returns the bytes of a file; raises DamagedStoreError if it is missing, or not the store's own."""
        raise NotImplementedError

    def content(self, name: str, size_bytes: int) -> bytes:
        """Returns the contents of a file of a known size; raises DamagedStoreError as `size_of`."""
        raise NotImplementedError

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Returns a file's contents; raises DamagedStoreError also if it is longer than `limit_bytes`."""
        size = self.size_of(name)
        if size > limit_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: has {size:,} bytes, more than the {limit_bytes:,} allowed"
            )
        return self.content(name, size)

    def read_exactly(self, name: str, size_bytes: int, claim: str) -> bytes:
        """Returns the contents of a file that must have `size_bytes`; no memory is taken otherwise.

        Raises:
            DamagedStoreError: as `read`, or it has another size; `claim` says who claims it.
        """
        size = self.size_of(name)
        if size != size_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: {claim} needs {size_bytes:,} bytes, the file has {size:,}"
            )
        return self.content(name, size)

    def mapped(self, name: str) -> ByteSource:
        """Returns a file's bytes without reading them; raises DamagedStoreError as `size_of`."""
        raise NotImplementedError

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files, read-only; raises DamagedStoreError if one ends before."""
        raise NotImplementedError

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Compares a file's size, which may be left to its first read unless the check is thorough.

        Raises:
            DamagedStoreError: it has another size, or is missing.
        """
        raise NotImplementedError

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the bytes of all files; where they cannot be listed, of those named."""
        raise NotImplementedError

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether there is another store at the place; a server is asked only if it is suspected."""
        raise NotImplementedError

    def close(self) -> None:
        """Releases what is kept while a store is opened; what is asked for later is opened again."""

    def release(self) -> None:
        """Releases also the files that `check_size` has mapped, so that they stay those of the open store."""
        self.close()


class RemoteZarrFiles(ZarrFiles):
    """Files on a server, where every question takes its time: many are asked at once."""

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Asks for files that will be read next, at most so many bytes of each, all at once."""
        raise NotImplementedError

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last bytes of files; None for one that is missing."""
        raise NotImplementedError

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Compares a file's size if the check is thorough: it costs a request."""
        if not thorough:
            return
        found = self.tails([name], 1)[0]
        if found is None:
            raise DamagedStoreError(f"{self.where(name)}: missing or unreadable (no such object)")
        self.gather([Want(name, size_bytes - 1, size_bytes)])
