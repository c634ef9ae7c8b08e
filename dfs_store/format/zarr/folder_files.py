"""Reads the files of a Zarr store in a local folder."""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from dfs_store.errors import DamagedStoreError, DFSError, NotAStoreError
from dfs_store.format.io.files import Bytes, MappedFile, folder_size_bytes, inside, read_at, stat_store
from dfs_store.format.io.remote import Want
from dfs_store.format.zarr.files import ZarrFiles

__all__ = ["FolderFiles"]


class FolderFiles(ZarrFiles):
    """Reads the files of a store in a local folder.

    Raises:
        StoreNotFoundError, NotAStoreError: the path does not exist, or is not a folder.
    """

    def __init__(self, place: Path) -> None:
        self.place: Path = place
        self._root = os.path.realpath(place)
        self._maps: dict[str, MappedFile] = {}
        self._opened = stat_store(place)
        if not stat.S_ISDIR(self._opened.st_mode):
            raise NotAStoreError(f"{place} must be a folder, like every .zarr store")

    def where(self, name: str) -> str:
        """Returns the path of a file."""
        return os.path.join(self._root, name)

    def has(self, name: str) -> bool:
        """Returns whether a file or folder exists."""
        return os.path.lexists(self.place / name)

    def size_of(self, name: str) -> int:
        """Returns the size of a file. Raises the errors of `dfs_store.format.io.files.inside`."""
        return inside(self._root, name)[1]

    def content(self, name: str, size_bytes: int) -> bytes:
        """Returns the content of a file. Raises the errors of `dfs_store.format.io.files.read_at`."""
        return read_at(inside(self._root, name)[0], 0, size_bytes)

    def mapped(self, name: str) -> MappedFile:
        """Memory-maps a file. Raises the errors of `dfs_store.format.io.files.inside`."""
        file, size = inside(self._root, name)
        mapped = MappedFile(file)
        if mapped.size_bytes != size:
            raise DamagedStoreError(
                f"{file} changed from {size:,} to {mapped.size_bytes:,} bytes while it was being opened"
            )
        return mapped

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files. The files stay memory-mapped, even if the store is replaced."""
        return [self._mapped(want.name).part(want.start, want.stop) for want in wants]

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Memory-maps a file, which `gather` will read, and checks its size."""
        if (found := self._mapped(name).size_bytes) != size_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: a chunk must have {size_bytes:,} bytes, but the file has {found:,}"
            )

    def _mapped(self, name: str) -> MappedFile:
        if name not in self._maps:
            self._maps[name] = self.mapped(name)
        return self._maps[name]

    def mapped_below(self, folder: str, most: int) -> dict[str, MappedFile]:
        """Memory-maps up to `most` files below a folder. Skips files that cannot be memory-mapped."""
        found: dict[str, MappedFile] = {}
        for place, _, names in os.walk(os.path.join(self._root, folder)):
            for name in names[: most - len(found)]:
                relative = os.path.relpath(os.path.join(place, name), self._root)
                with contextlib.suppress(DFSError):
                    found[relative] = self.mapped(relative)
        return found

    def release(self) -> None:
        """Closes the files that `gather` and `check_size` keep memory-mapped."""
        self._maps = {}

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the total size of all files in bytes."""
        return folder_size_bytes(self.place)

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether the folder has been replaced or removed."""
        try:
            return not os.path.samestat(self._opened, os.stat(self.place))
        except OSError:
            return True
