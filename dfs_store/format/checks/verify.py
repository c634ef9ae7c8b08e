"""Reads a whole store and reports every broken rule."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.examine import Examination, examine
from dfs_store.format.checks.problems import Problem
from dfs_store.format.containers import container_of
from dfs_store.format.io.place import Place, locate
from dfs_store.format.native import read_native
from dfs_store.format.spec import NATIVE
from dfs_store.format.stored_frames import StoredFrames

__all__ = ["Finding", "clips_of", "damaged_frames", "new_finding", "verify"]

_BATCH_BYTES = 32 * 2**20


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A broken rule, with its location if known.

    Attributes:
        message: the rule, and the value that breaks it.
        file: path of the file within a Zarr store, or name of the HDF5 file.
        clip: number of the clip.
        class_name: class of the clip.
        position: 0-based position of the key frame.
    """

    message: str
    file: str | None = None
    clip: int | None = None
    class_name: str | None = None
    position: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        places = []
        if self.clip is not None:
            places.append(f"clip {self.clip}" + (f" ({self.class_name})" if self.class_name else ""))
        if self.position is not None:
            places.append(f"position {self.position}")
        if self.file is not None:
            places.append(f"file {self.file}")
        return f"{', '.join(places)}: {self.message}" if places else self.message


def verify(
    path: str | os.PathLike[str], *, on_progress: Callable[[int, int], None] | None = None
) -> Iterator[Finding]:
    """Checks a store's attributes, arrays, sizes, checksums and values, and yields each broken rule.

    Reads every key frame, a few at a time, and the native arrays. Files, groups and keys that the format does
    not define are allowed.

    Args:
        path: path or URL of the store.
        on_progress: function called with the number of key frames read so far and their total number.

    Yields:
        Findings, in the order of the checks and of the key frames.

    Raises:
        StoreNotFoundError, NotAStoreError, NewerFormatError, StoreUnreachableError: see `KeyFrameStore`.
    """
    place = locate(path)
    try:
        found = examine(place, thorough=True)
    except DamagedStoreError as error:
        yield Finding(message=str(error), file=_file_of(place, None))
        return
    for problem in found.problems:
        yield from _place_problem(problem, found, place)
    if found.indexed and found.frames is not None:
        yield from _frame_findings(found, found.frames, on_progress)
        found.frames.close()
    for name, values in read_native(found.reader, found.header):
        if isinstance(values, DamagedStoreError):
            yield Finding(message=str(values), file=_file_of(place, f"{NATIVE}/{name}"))
    for message in found.reader.consolidated_problems():
        yield Finding(message=message, file=_file_of(place, None))
    found.reader.close()


def _file_of(path: Place, name: str | None) -> str:
    if container_of(path) == "hdf5":
        return path.name
    return "zarr.json" if name is None else name


def _place_problem(problem: Problem, found: Examination, path: Place) -> Iterator[Finding]:
    """Yields one finding for a problem, or one per affected clip if the problem concerns key frames."""
    file = _file_of(path, problem.file)
    if problem.frames is None or not found.indexed:
        yield new_finding(found, problem.message, file, problem.clip)
        return
    for clip in clips_of(found, *problem.frames):
        yield new_finding(found, problem.message, file, clip)


def clips_of(found: Examination, start: int, stop: int) -> range:
    """Returns the numbers of the clips that contain key frames start..stop. The offsets must be valid."""
    first, last = np.searchsorted(found.arrays["offsets"], [start, stop - 1], side="right") - 1
    return range(int(first), int(last) + 1)


def new_finding(
    found: Examination, message: str, file: str, clip: int | None, position: int | None = None
) -> Finding:
    """Returns a finding, including the clip's class if the clip has a valid label."""
    labels, names = found.arrays.get("labels"), found.header.class_names
    name = None
    if clip is not None and labels is not None and 0 <= clip < labels.size:
        label = int(labels[clip])
        name = names[label] if 0 <= label < len(names) else None
    return Finding(message=message, file=file, clip=clip, class_name=name, position=position)


def _frame_findings(
    found: Examination, frames: StoredFrames, on_progress: Callable[[int, int], None] | None
) -> Iterator[Finding]:
    for frame, message in damaged_frames(found, frames, on_progress):
        (clip,) = clips_of(found, frame, frame + 1)
        position = int(found.arrays["positions"][frame])
        yield new_finding(found, f"key frame {frame} {message}", frames.file_of(frame), clip, position)


def damaged_frames(
    found: Examination, frames: StoredFrames, on_progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[int, str]]:
    """Reads all frames without reported problems. Yields the number and a description of each damaged one."""
    total = frames.shape[0]
    lost = np.zeros(total, dtype=bool)
    for problem in found.problems:
        if problem.frames is not None:
            lost[slice(*problem.frames)] = True
    frame_bytes = max(1, int(np.prod(frames.shape[1:])) * np.dtype(frames.dtype).itemsize)
    step = max(1, _BATCH_BYTES // frame_bytes)
    for start in range(0, total, step):
        stop = min(start + step, total)
        if not lost[start:stop].any():
            yield from sorted(frames.damage(start, stop).items())
        else:
            for frame in (np.flatnonzero(~lost[start:stop]) + start).tolist():
                yield from frames.damage(frame, frame + 1).items()
        if on_progress is not None:
            on_progress(stop, total)
