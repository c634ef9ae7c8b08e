"""The files of a Zarr store, wherever they lie: what readers ask of a folder, an archive or a server."""

from collections.abc import Sequence
from typing import Protocol

from dfs_store.format.io.files import Bytes, ByteSource
from dfs_store.format.io.place import Place
from dfs_store.format.io.remote import Want

__all__ = ["RemoteZarrFiles", "ZarrFiles"]


class ZarrFiles(Protocol):
    """Files by their names, "labels/zarr.json"."""

    @property
    def place(self) -> Place:
        """Where the store lies."""
        ...

    def where(self, name: str) -> str:
        """Returns what messages call a file."""
        ...

    def has(self, name: str) -> bool:
        """Returns whether there is a file of that name."""
        ...

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Returns a file's contents.

        Raises:
            DamagedStoreError: it is missing, no file of the store's own, or longer than `limit_bytes`.
        """
        ...

    def read_exactly(self, name: str, size_bytes: int, claim: str) -> bytes:
        """Returns the contents of a file that must have `size_bytes`; no memory is taken otherwise.

        Raises:
            DamagedStoreError: as `read`, or it has another size; `claim` says who claims it.
        """
        ...

    def mapped(self, name: str) -> ByteSource:
        """Returns a file's bytes without reading them; raises DamagedStoreError as `read`."""
        ...

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the bytes of all files; where they cannot be listed, of those named."""
        ...

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether another store lies at the place. Where it costs, looks only if it is suspected."""
        ...

    def close(self) -> None:
        """Releases what is kept; what is asked later is opened again."""
        ...


class RemoteZarrFiles(ZarrFiles, Protocol):
    """Files on a server, where every question takes its time: many are asked at once."""

    def prefetch(self, limits: Sequence[tuple[str, int]]) -> None:
        """Asks for files that will be read next, at most so many bytes of each, all at once."""
        ...

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last bytes of files; None for one that is missing."""
        ...

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files, read-only; raises DamagedStoreError where one ends before."""
        ...
