"""Decodes a list of clips into the cache. Clips that are already in the cache are not decoded again."""

import glob
import io
import json
import math
import os
import shutil
import stat
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from dfs_store.errors import DiskFullError, EmptyClassError
from dfs_store.format.io.durable import write_durably
from dfs_store.names import printable
from dfs_store.videos.cache.entries import (
    CACHE_VERSION,
    HEADER_BYTES,
    CacheEntry,
    cache_root,
    clips_header,
    disk_errors,
    fingerprint,
)
from dfs_store.videos.cache.progress import OnProgress, PrepareProgress, Reporter
from dfs_store.videos.cache.rows import Journal, drop_rows, read_lines, reserve
from dfs_store.videos.cache.shards import Shard, ShardReport
from dfs_store.videos.decode.decoders import decoding_rules
from dfs_store.videos.decode.frame_folder import folder_status
from dfs_store.videos.decode.pool import Job, Limits, Result, WorkerPool
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.cliplist import ClipList

__all__ = ["OnProgress", "PrepareProgress", "prepare", "prepare_shard", "prepared"]

DEFAULT_TIMEOUT_SECONDS = 300.0
_JOURNAL_SECONDS = 0.5
_JOURNAL_ROWS = 256


def prepare(
    found: ClipList,
    sampling: Sampling,
    *,
    dataset: str,
    split: str,
    seed: int = 0,
    random_starts: int = 0,
    workers: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    max_memory: int | None = None,
    decoder: str = "auto",
    shard: Shard | None = None,
    on_progress: OnProgress | None = None,
) -> CacheEntry:
    """Decodes clips into the cache if they are not in it yet, and returns their entry.

    If the process is killed, the next call continues from the rows that have reached the disk. Files that
    cannot be decoded are skipped and listed in the index with the reason.

    Args:
        found: the clips of one split.
        sampling: how to cut the clips.
        dataset: name of the dataset, shown when the cache is listed.
        split: "train" (one view with a random start) or "test" (the centre view, and `random_starts` more
            views).
        seed: seed of the random starts.
        random_starts: number of additional views of test clips. An existing entry with more views is used if
            there is one, since its first views are the same.
        workers: number of decoding processes. Defaults to one per core, or fewer if `max_memory` requires it.
        cache_dir: folder of the cache, see `cache_root`.
        timeout_seconds: time limit for decoding a file; files that take longer are skipped.
        max_memory: limit in bytes for all decoding processes together; videos that need more are skipped.
            Defaults to 4 GiB per process.
        decoder: "auto" (PyAV, or decord if PyAV cannot decode a single frame), "pyav" or "decord".
        shard: the share of the files to decode while other processes decode the rest. The process that
            finishes last completes the entry. Defaults to all files.
        on_progress: called about ten times a second.

    Raises:
        EmptyClassError: a class has no file that can be decoded.
        DiskFullError: the disk of the cache is too small for the clips.
        OutputNotWritableError: the cache is not writable.
        SettingsError: `workers` is below 1, `max_memory` is too small for the workers, or the decoder is
            unknown.
    """
    limits = Limits.of(workers, timeout_seconds, max_memory)
    num_views = sampling.num_views(split, random_starts)
    request = _request(found, sampling, dataset, split, seed, decoder)
    root, key = cache_root(cache_dir), _key(request)
    if (ready := _with_views(root, key, num_views)) is not None:
        return ready
    entry = CacheEntry(root / (key if num_views == 1 else f"{key}-{num_views}"))

    def start(reporter: Reporter, shard: Shard | None = None) -> _Run:
        return _Run(entry, request, found, num_views, reporter, shard)

    if shard is not None:
        reporter = Reporter(sum(map(shard.has, range(len(found.clips)))), on_progress)
        if not _decode_share(entry, shard, start, reporter, limits):
            return entry
        on_progress = None  # everything is decoded; only the index is missing
    reporter = Reporter(len(found.clips), on_progress)
    with disk_errors(entry.directory), entry.locked(reporter.waiting) as lock_fd:
        if entry.read_index() is not None:  # another process prepared it while this one waited
            return entry
        try:
            _discard_damaged(entry)
            with disk_errors(entry.directory), start(reporter) as run:
                run.decode(limits, (lock_fd,))
                run.finish()
        except EmptyClassError:
            shutil.rmtree(entry.directory)  # repaired files have another key, so this entry is useless
            raise
        except DiskFullError:
            if not entry.journals():  # nothing has been decoded yet
                shutil.rmtree(entry.directory)
            raise
    return entry


def prepared(
    found: ClipList,
    sampling: Sampling,
    *,
    dataset: str,
    split: str,
    seed: int = 0,
    random_starts: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    decoder: str = "auto",
) -> CacheEntry | None:
    """Returns the entry of these clips if it is complete, otherwise None. Decodes and writes nothing."""
    request = _request(found, sampling, dataset, split, seed, decoder)
    return _with_views(cache_root(cache_dir), _key(request), sampling.num_views(split, random_starts))


def prepare_shard(
    found: ClipList,
    sampling: Sampling,
    shard: Shard,
    **how: Any,  # noqa: ANN401 - passed on
) -> ShardReport:
    """Decodes one share of the clips into the cache, and reports which shards are still incomplete.

    Args:
        found: the clips of one split.
        sampling: how to cut the clips.
        shard: the share of the files to decode.
        **how: the other options of `prepare`. All machines must use the same cache folder.

    Raises:
        The same errors as `prepare`.
    """
    entry = prepare(found, sampling, shard=shard, **how)
    rows = range(len(found.clips))
    # The lock waits for a process that is completing the entry.
    with disk_errors(entry.directory), entry.locked(shared=True):
        index = entry.read_index()
        if index is not None:
            files = {each["file"] for each in index["failed"]}
            failed, missing = {row for row in rows if found.clips[row].file in files}, set[int]()
        else:
            done = _done_rows(entry)
            failed = {row for row, result in done.items() if result.error}
            missing = {shard.of(row) for row in rows if row not in done}
    mine = [row for row in rows if shard.has(row)]
    return ShardReport(shard, len(mine), len(failed.intersection(mine)), tuple(sorted(missing)))


def _decode_share(
    entry: CacheEntry,
    shard: Shard,
    start: Callable[[Reporter, Shard], "_Run"],
    reporter: Reporter,
    limits: Limits,
) -> bool:
    """Decodes a shard and returns whether all shards are decoded."""
    with disk_errors(entry.directory):
        if entry.index_path.exists():
            with entry.locked(reporter.waiting):
                _discard_damaged(entry)
        with (
            entry.locked(reporter.waiting, shared=True) as lock_fd,
            entry.locked(reporter.waiting, name=f"lock{shard.suffix}") as shard_fd,
        ):
            if entry.read_index() is not None:
                return True
            with start(reporter, shard) as run:
                run.decode(limits, (lock_fd, shard_fd))
                return len(_done_rows(entry)) == run.num_rows


def _done_rows(entry: CacheEntry) -> dict[int, Result]:
    """Returns the results that all runs and shards have saved to disk, keyed by row."""
    found = {}
    for path in entry.journals():
        found.update({line["row"]: Result(**line) for line in read_lines(path)[0] if "row" in line})
    return found


def _discard_damaged(entry: CacheEntry) -> None:
    """Removes the index and journals of a complete entry that is now damaged. The entry must be locked."""
    if entry.index_path.exists() and entry.read_index() is None:
        for journal in entry.journals():
            journal.unlink()
        entry.index_path.unlink()


def _key(request: dict[str, Any]) -> str:
    """Returns the name of an entry. The name does not depend on the root, so the dataset may be moved."""
    hashed = {name: value for name, value in request.items() if name != "dataset"}
    name = "".join(letter if letter.isalnum() else "-" for letter in Path(request["dataset"]).name)
    return f"{name[:40].strip('-') or 'folder'}-{request['split']}-{fingerprint(hashed)}"


def _with_views(root: Path, key: str, num_views: int) -> CacheEntry | None:
    """Returns the smallest complete entry with at least `num_views` views of every clip, or None."""
    found = []
    for directory in root.glob(f"{glob.escape(key)}*"):
        index = CacheEntry(directory).read_index()
        if index is not None and index["shape"][1] >= num_views:
            found.append((index["shape"][1], directory))
    return CacheEntry(min(found)[1]) if found else None


def _request(
    found: ClipList, sampling: Sampling, dataset: str, split: str, seed: int, decoder: str
) -> dict[str, Any]:
    files = []
    for clip in found.clips:
        try:
            path = found.root / clip.file
            status = path.stat()
            size_and_time = (status.st_size, status.st_mtime_ns)
            if stat.S_ISDIR(status.st_mode):
                size_and_time = folder_status(path)
            files.append([clip.file, clip.class_name, *size_and_time])
        except OSError:  # missing, or a broken link: decoding it reports the error
            files.append([clip.file, clip.class_name, -1, 0])
    return {
        "version": CACHE_VERSION,
        "dataset": dataset,
        "split": split,
        "seed": seed,
        "sampling": sampling.to_json(),
        "decoding": decoding_rules(decoder),
        "classes": found.classes,
        "files": files,
    }


class _Run:
    def __init__(
        self,
        entry: CacheEntry,
        request: dict[str, Any],
        found: ClipList,
        num_views: int,
        reporter: Reporter,
        shard: Shard | None = None,
    ) -> None:
        self._entry = entry
        self._request = request
        self._found = found
        self._reporter = reporter
        sampling = request["sampling"]
        size = sampling["size"]
        write_durably(entry.request_path, json.dumps(request).encode())
        self._row_shape = (num_views, sampling["frames"], size, size, 3)
        self.num_rows = len(found.clips)
        self._rows = [row for row in range(self.num_rows) if shard is None or shard.has(row)]
        self._clips_fd = reserve(entry.clips_path, self.num_rows, self._row_shape)
        own = entry.journal_path
        self._journal = Journal(own if shard is None else own.with_stem(own.stem + shard.suffix))
        self._results = _done_rows(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._journal.close()
        os.close(self._clips_fd)

    def decode(self, limits: Limits, lock_fds: tuple[int, ...]) -> None:
        """Decodes all rows that no earlier run has decoded."""
        done = [self._results[row] for row in self._rows if row in self._results]
        self._reporter.resumed(len(done), sum(bool(result.error) for result in done))
        left = [row for row in self._rows if row not in self._results]
        if not left:
            return
        settings = {
            "sampling": self._request["sampling"],
            "seed": self._request["seed"],
            "split": self._request["split"],
            "num_views": self._row_shape[0],
            "clips_fd": self._clips_fd,
            "header_bytes": HEADER_BYTES,
            "memory_bytes": limits.process_bytes(math.prod(self._row_shape)),
        }
        inherited = (self._clips_fd, *lock_fds)
        workers = min(limits.workers, len(left))
        with WorkerPool(workers, settings, inherited, limits.timeout_seconds) as pool:
            self._collect(pool.run(self._jobs(left)))
        self._reporter.report()

    def _jobs(self, rows: list[int]) -> Iterator[Job]:
        for row in rows:
            file = self._found.clips[row].file
            decoders = self._request["decoding"]["decoders"]
            yield Job(row, str(self._found.root / file), printable(file), decoders)

    def _collect(self, results: Iterator[Result | None]) -> None:
        """Records results in a thread, because waiting for the disk would leave the workers idle."""
        batch: list[Result] = []
        since = time.monotonic()
        with ThreadPoolExecutor(1, thread_name_prefix="journal") as disk:
            noted = disk.submit(self._note, [])
            try:
                for result in results:
                    if result is not None:
                        batch.append(result)
                        self._reporter.add(bool(result.error))
                    due = len(batch) >= _JOURNAL_ROWS or time.monotonic() - since >= _JOURNAL_SECONDS
                    if due and noted.done():
                        noted.result()
                        noted = disk.submit(self._note, batch)
                        batch, since = [], time.monotonic()
            finally:
                noted.result()
                self._note(batch)

    def _note(self, batch: list[Result]) -> None:
        """Flushes the pixels to disk, then adds the results to the journal."""
        if batch:
            os.fsync(self._clips_fd)
            self._journal.append([dict(vars(result)) for result in batch])
            self._results |= {result.row: result for result in batch}

    def finish(self) -> None:
        """Removes the rows of files that failed, and writes the index."""
        kept = [row for row in range(self.num_rows) if not self._results[row].error]
        self._check_classes(kept)
        dropped = [row for row in range(self.num_rows) if self._results[row].error]
        row_bytes = math.prod(self._row_shape)
        drop_rows(self._clips_fd, row_bytes, dropped, self.num_rows, self._journal)
        os.ftruncate(self._clips_fd, HEADER_BYTES + len(kept) * row_bytes)
        os.pwrite(self._clips_fd, clips_header((len(kept), *self._row_shape)), 0)
        os.fsync(self._clips_fd)
        frames = np.array([self._results[row].frames for row in kept], dtype=np.int64)
        buffer = io.BytesIO()
        np.save(buffer, frames)
        write_durably(self._entry.frames_path, buffer.getvalue())
        write_durably(self._entry.index_path, json.dumps(self._index(kept, dropped)).encode())
        for left in [*self._entry.journals(), *self._entry.directory.glob("lock-*")]:
            left.unlink()

    def _index(self, kept: list[int], dropped: list[int]) -> dict[str, Any]:
        clips, labels, results = self._found.clips, self._found.labels, self._results
        return {
            "version": CACHE_VERSION,
            "shape": [len(kept), *self._row_shape],
            "classes": self._found.classes,
            "labels": [labels[row] for row in kept],
            "files": [clips[row].file for row in kept],
            "failed": [{"file": clips[row].file, "reason": results[row].error} for row in dropped],
            "notes": [{"file": clips[r].file, "note": results[r].note} for r in kept if results[r].note],
            "decoders": dict(Counter(results[row].decoder for row in kept)),
            "fps": statistics.median(results[row].fps for row in kept),
        }

    def _check_classes(self, kept: list[int]) -> None:
        counts = Counter(self._found.clips[row].class_name for row in kept)
        listed = {clip.class_name for clip in self._found.clips}  # a class may have no test clips
        empty = [name for name in self._found.classes if not counts[name] and name in listed]
        if not empty:
            return
        lost = [
            f"  {printable(clip.file)}: {self._results[row].error}"
            for row, clip in enumerate(self._found.clips)
            if clip.class_name in empty
        ]
        shown = "\n".join(lost[:10] + ([f"  and {len(lost) - 10} more"] if len(lost) > 10 else []))
        raise EmptyClassError(
            f"no file of class {', '.join(empty)} can be decoded:\n{shown}\nReplace these files, or select "
            "the other classes with --classes"
        )
