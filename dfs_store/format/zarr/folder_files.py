"""The files of a Zarr store that is a folder of this machine."""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from dfs_store.errors import DamagedStoreError, DFSError, NotAStoreError, StoreNotFoundError
from dfs_store.format.io.files import Bytes, MappedFile, folder_size_bytes, inside, read_at
from dfs_store.format.io.remote import Want
from dfs_store.format.zarr.files import ZarrFiles

__all__ = ["FolderFiles"]


class FolderFiles(ZarrFiles):
    """A folder.

    Raises:
        StoreNotFoundError, NotAStoreError: there is nothing, or no folder.
    """

    def __init__(self, place: Path) -> None:
        self.place: Path = place
        self._root = os.path.realpath(place)
        self._maps: dict[str, MappedFile] = {}
        try:
            self._opened = os.stat(place)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreNotFoundError(f"{place}: there is no such store") from error
        except OSError as error:
            raise NotAStoreError(f"{place}: cannot be read ({error.strerror})") from error
        if not stat.S_ISDIR(self._opened.st_mode):
            raise NotAStoreError(f"{place}: must be a directory, as every .zarr store")

    def where(self, name: str) -> str:
        """Returns the path of a file."""
        return os.path.join(self._root, name)

    def has(self, name: str) -> bool:
        """Returns whether there is anything of that name."""
        return os.path.lexists(self.place / name)

    def size_of(self, name: str) -> int:
        """Returns the bytes of a file; raises as `dfs_store.format.io.files.inside`."""
        return inside(self._root, name)[1]

    def content(self, name: str, size_bytes: int) -> bytes:
        """Returns the contents of a file; raises as `dfs_store.format.io.files.read_at`."""
        return read_at(inside(self._root, name)[0], 0, size_bytes)

    def mapped(self, name: str) -> MappedFile:
        """Maps a file; raises DamagedStoreError as `dfs_store.format.io.files.inside`."""
        file, size = inside(self._root, name)
        mapped = MappedFile(file)
        if mapped.size_bytes != size:
            raise DamagedStoreError(f"{file}: had {size:,} bytes and now has {mapped.size_bytes:,}")
        return mapped

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of files; every file stays mapped, so it is that of the store that was opened."""
        return [self._mapped(want.name).part(want.start, want.stop) for want in wants]

    def check_size(self, name: str, size_bytes: int, *, thorough: bool) -> None:
        """Maps a file for `gather`, and compares its size."""
        if (found := self._mapped(name).size_bytes) != size_bytes:
            raise DamagedStoreError(
                f"{self.where(name)}: a chunk has {size_bytes:,} bytes, the file has {found:,}"
            )

    def _mapped(self, name: str) -> MappedFile:
        if name not in self._maps:
            self._maps[name] = self.mapped(name)
        return self._maps[name]

    def mapped_below(self, folder: str, most: int) -> dict[str, MappedFile]:
        """Maps the files below a folder by name, at most so many, but those that cannot be mapped."""
        found: dict[str, MappedFile] = {}
        for place, _, names in os.walk(os.path.join(self._root, folder)):
            for name in names[: most - len(found)]:
                relative = os.path.relpath(os.path.join(place, name), self._root)
                with contextlib.suppress(DFSError):
                    found[relative] = self.mapped(relative)
        return found

    def release(self) -> None:
        """Releases the files that `gather` and `check_size` mapped."""
        self._maps = {}

    def total_bytes(self, names: Sequence[str]) -> int:
        """Returns the bytes of all files."""
        return folder_size_bytes(self.place)

    def was_replaced(self, *, suspected: bool) -> bool:
        """Returns whether there is another folder at the path, or none."""
        try:
            return not os.path.samestat(self._opened, os.stat(self.place))
        except OSError:
            return True
