"""Writes the clip file: reserves its space, records finished rows, and removes the rows that failed."""

import errno
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

from dfs_store.byte_sizes import size_text
from dfs_store.errors import DiskFullError
from dfs_store.format.io.durable import write_all, write_all_at
from dfs_store.format.io.reading import parse_json, read_found
from dfs_store.videos.cache.entries import HEADER_BYTES, clips_header

__all__ = ["Journal", "drop_rows", "read_lines", "reserve"]

_STAGE_BYTES = 64 << 20
_MOST_JOURNAL_BYTES = 2**31
_SPARE_BYTES = 64 << 20  # left free for other programs


def reserve(path: Path, num_rows: int, row_shape: tuple[int, ...]) -> int:
    """Creates the clip file at its full size, or opens an existing one.

    All of the file's blocks are reserved, so that a full disk raises an error here, instead of later crashing
    a process that memory-maps the file (SIGBUS).

    Args:
        path: path of the clip file.
        num_rows: N, the number of rows.
        row_shape: shape of one uint8 row.

    Returns:
        A file descriptor open for reading and writing.

    Raises:
        DiskFullError: the file does not fit on the disk.
        OSError: the file cannot be created or reserved.
    """
    header = clips_header((num_rows, *row_shape))
    row_bytes = math.prod(row_shape)
    size_bytes = HEADER_BYTES + num_rows * row_bytes
    held_bytes = path.stat().st_blocks * 512 if path.exists() else 0
    free_bytes = shutil.disk_usage(path.parent).free
    if size_bytes - held_bytes + _SPARE_BYTES > free_bytes:
        raise DiskFullError(
            f"the prepared clips need {size_text(size_bytes)}, but only {size_text(free_bytes)} is free in "
            f"{path.parent}. Free some space (`dfs datasets cache`), set DFS_CACHE to a folder on a larger "
            "disk, or choose fewer frames, a smaller size or fewer classes"
        )
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _allocate(descriptor, size_bytes)
        os.ftruncate(descriptor, size_bytes)
        os.pwrite(descriptor, header, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _allocate(descriptor: int, size_bytes: int) -> None:
    if not hasattr(os, "posix_fallocate"):
        return  # macOS
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # the file system cannot reserve blocks
            raise


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns a journal's complete lines and their size in bytes. Another process may be writing to it."""
    lines, whole_bytes = [], 0
    for raw in read_found(path, _MOST_JOURNAL_BYTES).split(b"\n")[:-1]:
        try:
            lines.append(parse_json(raw, any_text=True))
        except ValueError:
            break
        whole_bytes += len(raw) + 1
    return lines, whole_bytes


class Journal:
    """A file of JSON lines that records finished rows. It is read up to the first incomplete line.

    Args:
        path: path of the journal; created if it does not exist.

    Attributes:
        path: path of the journal.
        lines: the lines that the journal contained when it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.lines, whole_bytes = read_lines(path)
        # Remove a line that a killed process left incomplete, so that the next line is not appended to it.
        os.ftruncate(self._descriptor, whole_bytes)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    def append(self, lines: list[dict[str, Any]]) -> None:
        """Appends lines and flushes them to disk. Once this returns, the lines survive a power failure."""
        write_all(self._descriptor, "".join(json.dumps(line) + "\n" for line in lines).encode())
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def drop_rows(descriptor: int, row_bytes: int, dropped: list[int], num_rows: int, journal: Journal) -> None:
    """Removes the `dropped` rows, keeping the order of the others.

    A batch of rows is copied to a staging file, recorded in the journal, and only then moved, because a move
    may overwrite its own source. If the process is killed, the next call continues from the journal.

    Args:
        descriptor: file descriptor of the clip file.
        row_bytes: size of a row in bytes.
        dropped: numbers of the rows to remove.
        num_rows: N, the number of rows before the removal.
        journal: receives lines with the key `moved`, the number of rows in their final place.
    """
    if not dropped:
        return
    gone = set(dropped)
    kept = [row for row in range(num_rows) if row not in gone]
    stage = journal.path.with_name("stage.bin")
    batch_rows = max(1, _STAGE_BYTES // row_bytes)
    moved = max((line["moved"] for line in journal.lines if "moved" in line), default=min(gone))
    staged = max((line["staged"] for line in journal.lines if "staged" in line), default=-1)
    while moved < len(kept):
        batch = kept[moved : moved + batch_rows]
        if staged < moved:
            _copy_aside(descriptor, row_bytes, batch, stage)
            journal.append([{"staged": moved}])
        with stage.open("rb") as file:
            for place in range(moved, moved + len(batch)):
                write_all_at(descriptor, file.read(row_bytes), HEADER_BYTES + place * row_bytes)
        os.fsync(descriptor)
        moved += len(batch)
        journal.append([{"moved": moved}])
    stage.unlink(missing_ok=True)


def _copy_aside(descriptor: int, row_bytes: int, rows: list[int], stage: Path) -> None:
    with stage.open("wb") as file:
        for row in rows:
            file.write(os.pread(descriptor, row_bytes, HEADER_BYTES + row * row_bytes))
        file.flush()
        os.fsync(file.fileno())
