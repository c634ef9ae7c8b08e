"""The cache of prepared clips, with one directory per dataset, split, sampling, seed and list of files.

An entry contains

    request.json   the request: dataset, sampling, seed, classes and files
    clips.npy      (N, V, T, H, W, 3) uint8, a plain array file that np.load(mmap_mode="r") opens
    frames.npy     (N, V, T) int64, the frame numbers of each clip
    index.json     the clips, and the files that failed; written last, so its presence means "complete"
    journal.jsonl  one line per row that has reached the disk, until the index exists; one journal per shard
    lock           locked while clips are prepared, by one process or by all processes that prepare shards

An entry without index.json is incomplete, and the next `prepare` continues it.
"""

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DFSError, DiskFullError, OutputNotWritableError
from dfs_store.format.io.durable import take_lock
from dfs_store.format.io.reading import open_found, read_json
from dfs_store.videos.decode.decoders import is_current

__all__ = [
    "CacheEntry",
    "cache_root",
    "clips_header",
    "disk_errors",
    "extractor_path",
    "fingerprint",
    "list_entries",
    "remove_entry",
]

HEADER_BYTES = 256
CACHE_VERSION = 3
EXTRACTORS = "extractors"  # folder of trained networks, one file each
_EXTRACTOR_PREFIX = f"v{CACHE_VERSION}-"  # networks trained on prepared clips become obsolete with them
_LOCK_POLL_SECONDS = 0.2
_MOST_JSON_BYTES = 2**29  # enough for 2,000,000 files


def cache_root(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Returns the folder of the cache: `cache_dir`, else DFS_CACHE, else ~/.cache/dfs-store."""
    chosen = cache_dir or os.environ.get("DFS_CACHE") or Path.home() / ".cache" / "dfs-store"
    return Path(chosen).expanduser().resolve()


def fingerprint(request: dict[str, Any]) -> str:
    """Returns a hash of a request as 16 hexadecimal digits."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def extractor_path(request: dict[str, Any]) -> Path:
    """Returns the path of the network trained on the clips of a request."""
    return cache_root() / EXTRACTORS / f"{_EXTRACTOR_PREFIX}{fingerprint(request)}.pt"


def clips_header(shape: tuple[int, ...]) -> bytes:
    """Returns the header of a uint8 .npy file, always 256 bytes long so that it can be rewritten in place."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": tuple(int(n) for n in shape)}
    )
    text = buffer.getvalue()[10:].rstrip()
    room = HEADER_BYTES - 10 - 1
    return b"\x93NUMPY\x01\x00" + (room + 1).to_bytes(2, "little") + text.ljust(room) + b"\n"


@contextlib.contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Converts system errors about a full or unwritable disk to library errors that suggest a remedy.

    Raises:
        DiskFullError: the disk is full.
        OutputNotWritableError: the cache is not writable.
    """
    try:
        yield
    except DFSError:
        raise
    except OSError as error:
        if error.errno in DiskFullError.NUMBERS:
            raise DiskFullError(
                f"the disk that contains {directory} is full ({error}). Free some space (`dfs datasets "
                "cache`) or set DFS_CACHE to a folder on a larger disk; the clips prepared so far are kept"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
            raise OutputNotWritableError(
                f"the cache of prepared clips is not writable ({error}); set DFS_CACHE to a writable folder"
            ) from error
        raise


@dataclass(frozen=True)
class CacheEntry:
    """A directory of the cache, complete or not."""

    directory: Path

    @property
    def clips_path(self) -> Path:
        """Path of the pixels."""
        return self.directory / "clips.npy"

    @property
    def frames_path(self) -> Path:
        """Path of the frame numbers."""
        return self.directory / "frames.npy"

    @property
    def index_path(self) -> Path:
        """Path of the index, which exists only if the entry is complete."""
        return self.directory / "index.json"

    @property
    def request_path(self) -> Path:
        """Path of the request."""
        return self.directory / "request.json"

    @property
    def journal_path(self) -> Path:
        """Path of the list of rows that have reached the disk."""
        return self.directory / "journal.jsonl"

    def read_index(self) -> dict[str, Any] | None:
        """Returns the index of a complete entry, or None if the entry is incomplete or damaged."""
        index = _read_json(self.index_path)
        if index is None or index.get("version") != CACHE_VERSION or not _is_index(index):
            return None
        shape = index["shape"]
        try:
            with open_found(self.clips_path) as clips, open_found(self.frames_path) as frames:
                whole = os.fstat(clips.fileno()).st_size == HEADER_BYTES + math.prod(shape)
                np.lib.format.read_magic(frames)
                about = np.lib.format.read_array_header_1_0(frames)
        except (OSError, ValueError):
            return None
        return index if whole and about == (tuple(shape[:3]), False, np.dtype("<i8")) else None

    def read_request(self) -> dict[str, Any]:
        """Returns the request, or {} if it cannot be read."""
        return _read_json(self.request_path) or {}

    def map_clips(self) -> npt.NDArray[np.uint8]:
        """Returns the clips, (N, V, T, H, W, 3) uint8, memory-mapped read-only."""
        clips: npt.NDArray[np.uint8] = np.load(self.clips_path, mmap_mode="r")
        return clips

    def load_frames(self) -> npt.NDArray[np.int64]:
        """Returns the frame numbers, (N, V, T) int64."""
        frames: npt.NDArray[np.int64] = np.load(self.frames_path)
        return frames

    def journals(self) -> list[Path]:
        """Returns the paths of all journals, including those of shards."""
        return sorted(self.directory.glob("journal*.jsonl"))

    @contextlib.contextmanager
    def locked(
        self, on_wait: Callable[[], None] | None = None, *, name: str = "lock", shared: bool = False
    ) -> Iterator[int]:
        """Locks the entry, waiting while another process holds the lock.

        The kernel releases the lock when the last process that holds it ends, even if it is killed.

        Args:
            on_wait: called repeatedly while waiting.
            name: file name of the lock. Each shard has its own lock in addition to the entry's lock.
            shared: whether other processes may share the lock.

        Yields:
            The file descriptor of the lock, which workers inherit.
        """
        path, descriptor = self.directory / name, None
        while descriptor is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another process removed the directory
                descriptor = take_lock(path, os.O_RDWR | os.O_CREAT, shared=shared)
                if descriptor is None:
                    if on_wait is not None:
                        on_wait()
                    time.sleep(_LOCK_POLL_SECONDS)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @property
    def is_locked(self) -> bool:
        """Whether a process is preparing the entry."""
        try:
            descriptor = take_lock(self.directory / "lock", os.O_RDONLY)
        except OSError:
            return False
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is None


def _is_index(index: dict[str, Any]) -> bool:
    """Whether an index has all required fields."""
    shape = index.get("shape")
    return (
        isinstance(shape, list)
        and len(shape) == 6
        and all(type(side) is int and 0 <= side < 2**32 for side in shape)
        and _lists(index, "classes", "labels", "files", "failed", "notes")
        and shape[0] == len(index["files"]) == len(index["labels"])
        and all(
            isinstance(each, dict) and isinstance(each.get("file"), str)
            for each in (*index["failed"], *index["notes"])
        )
    )


def _lists(content: dict[str, Any], *names: str) -> bool:
    return all(isinstance(content.get(name), list) for name in names)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = read_json(path, _MOST_JSON_BYTES, any_text=True)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def list_entries(cache_dir: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Lists the entries of the cache, largest first.

    Returns:
        One dict per entry: kind ("clips", or "extractor" for a trained network), key, path, dataset, split,
        complete, obsolete (no longer used, because an older version prepared it with different decoding
        rules), in_use (being prepared), num_clips, num_failed, size_bytes (on disk), sampling, seed,
        modified (seconds since 1970).
    """
    root = cache_root(cache_dir)
    found = []
    for directory in sorted(root.iterdir()) if root.is_dir() else []:
        entry = CacheEntry(directory)
        request = _read_json(entry.request_path)
        if request is None or directory.is_symlink() or not _lists(request, "files"):
            continue  # not an entry of the cache
        index = entry.read_index()
        found.append(
            {
                "kind": "clips",
                "key": directory.name,
                "path": str(directory),
                "dataset": request.get("dataset"),
                "split": request.get("split"),
                "complete": index is not None,
                "obsolete": request.get("version") != CACHE_VERSION
                or not is_current(request.get("decoding")),
                "in_use": entry.is_locked,
                "num_clips": len(request["files"]) if index is None else index["shape"][0],
                "num_failed": 0 if index is None else len(index["failed"]),
                "size_bytes": _size_bytes(directory),
                "sampling": request.get("sampling"),
                "seed": request.get("seed"),
                "modified": entry.request_path.stat().st_mtime,
            }
        )
    found += [_extractor(file) for file in sorted((root / EXTRACTORS).glob("*.pt")) if file.is_file()]
    return sorted(found, key=lambda item: -item["size_bytes"])


def _size_bytes(directory: Path) -> int:
    """Returns the size of an entry's files in bytes. Links are not followed."""
    return sum(file.lstat().st_size for file in directory.iterdir() if not file.is_dir())


def _extractor(file: Path) -> dict[str, Any]:
    return {
        "kind": "extractor",
        "key": f"{EXTRACTORS}/{file.name}",
        "path": str(file),
        **dict.fromkeys(("dataset", "split", "sampling", "seed")),
        "complete": True,
        "obsolete": not file.name.startswith(_EXTRACTOR_PREFIX),
        "in_use": False,
        "num_clips": 0,
        "num_failed": 0,
        "size_bytes": file.stat().st_size,
        "modified": file.stat().st_mtime,
    }


def remove_entry(key: str, cache_dir: str | os.PathLike[str] | None = None) -> int:
    """Removes an entry from the cache and returns the number of bytes freed.

    Raises:
        DFSError: there is no such entry, or a process is preparing it.
    """
    root = cache_root(cache_dir)
    if str(Path(key).parent) == EXTRACTORS and (file := root / EXTRACTORS / Path(key).name).is_file():
        size_bytes = file.stat().st_size
        file.unlink()
        return size_bytes
    entry = CacheEntry(root / Path(key).name)
    if not entry.request_path.is_file() or entry.directory.is_symlink():
        raise DFSError(
            f"the cache {entry.directory.parent} has no entry {key!r}; `dfs datasets cache` lists its entries"
        )
    if entry.is_locked:
        raise DFSError(f"another process is preparing {key!r}; try again after it has finished")
    size_bytes = _size_bytes(entry.directory)
    shutil.rmtree(entry.directory)
    return size_bytes
