"""Checkpoints: the whole state of a run in one .npz file beside the output, without pickle.

The file contains every array that is trained, with its momentum, the evidence for insertion, and the settings
that decide what comes out. So a run continues to exactly the arrays of an undisturbed one, and never with
other settings or real clips. Damage shows: every member of the archive carries a checksum. The checkpoint
before the newest is kept beside it, and is used if the newest is damaged.
"""

import contextlib
import itertools
import json
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dfs_store.condense.engine.initialise import Group
from dfs_store.errors import CheckpointError
from dfs_store.format.io.durable import Part, output_error, sync_folder, write_synced
from dfs_store.format.io.place import local_beside

__all__ = [
    "checkpoint_path",
    "checkpoints_of",
    "joined_states",
    "key_frame_state",
    "key_frames_of",
    "load_newest",
    "recorded_settings",
    "remove_checkpoints",
    "restore_key_frames",
    "save_checkpoint",
]

State = dict[str, npt.NDArray[Any]]

_ARRAYS = ("frames", "momentum", "positions", "inserted_at")  # a row per key frame
_EVIDENCE = ("cosine_sums", "opposed", "steps")  # a row per clip


def checkpoint_path(out: str | Path) -> Path:
    """Returns where the newest checkpoint of a run is: beside its output, or here if that is a URL."""
    out = local_beside(out)
    return out.with_name(out.name + ".checkpoint.npz")


def _former_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".npz") + ".former.npz")


def checkpoints_of(out: str | Path) -> list[Path]:
    """Returns the checkpoints that lie beside an output, the newest first."""
    newest = checkpoint_path(out)
    return [path for path in (newest, _former_path(newest)) if path.exists()]


def remove_checkpoints(out: str | Path) -> None:
    """Removes the checkpoints of a run whose store is complete."""
    for path in checkpoints_of(out):
        path.unlink(missing_ok=True)


def save_checkpoint(path: Path, step: int, settings: dict[str, Any], state: State) -> None:
    """Writes a checkpoint; the one before it stays as the former one, so that one is always whole.

    Args:
        path: the file.
        step: the next step to be done.
        settings: what decides the result, as JSON.
        state: arrays by name.

    Raises:
        DiskFullError: no space is left; the older checkpoint is kept.
        OutputNotWritableError: the disk refused; likewise.
    """
    # The names too: an archive whose list of members is damaged may open with some of them missing.
    about = {"step": step, "settings": settings, "arrays": sorted(state)}
    header = json.dumps(about, sort_keys=True).encode()
    arrays: dict[str, Any] = {"header": np.frombuffer(header, dtype=np.uint8), **state}
    try:
        with Part(path) as part:
            write_synced(part.new, lambda file: np.savez(file, **arrays))
            with contextlib.suppress(FileNotFoundError):
                path.replace(_former_path(path))
            part.new.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise output_error(error, path) from error


def load_newest(out: str | Path, settings: dict[str, Any]) -> tuple[int, State] | None:
    """Returns the next step to be done and the arrays of the newest whole checkpoint, None where none is.

    Args:
        out: the output of the run.
        settings: those of this run; they must be those of the checkpoint.

    Raises:
        CheckpointError: all are damaged, or the one to go on from is of other settings, which are named.
    """
    found = checkpoints_of(out)
    for number, path in enumerate(found, start=1):
        try:
            step, saved, state = _read(path)
        except _DAMAGE as error:
            if number == len(found):
                raise CheckpointError(
                    f"the checkpoint {path} is damaged ({error}); delete it to start the run again"
                ) from error
            warnings.warn(
                f"the checkpoint {path} is damaged ({error}); going on from the one before it", stacklevel=2
            )
            continue
        _check_settings(path, saved, settings)
        return step, state
    return None


def recorded_settings(out: str | Path) -> dict[str, Any] | None:
    """Returns the settings of the newest checkpoint that can be read, None if there is none."""
    for path in checkpoints_of(out):
        with contextlib.suppress(*_DAMAGE):
            return _read(path)[1]
    return None


# What reading an archive raises when any of its bytes has changed.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def _read(path: Path) -> tuple[int, dict[str, Any], State]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        header = json.loads(bytes(archive["header"]))
        state = {name: archive[name] for name in archive.files if name != "header"}
        if sorted(state) != header["arrays"] or not state:
            raise ValueError("some of its arrays are missing")
        return int(header["step"]), dict(header["settings"]), state


def key_frame_state(groups: Sequence[Group]) -> State:
    """Returns all that a run must keep of its key frames."""
    arrays: State = {}
    for number, chunk in enumerate(chunk for group in groups for chunk in group):
        for name in _ARRAYS:
            value = getattr(chunk, name)
            arrays[f"{name}-{number}"] = value.cpu().numpy() if isinstance(value, torch.Tensor) else value
        for name in _EVIDENCE:
            arrays[f"{name}-{number}"] = getattr(chunk.evidence, name)
        arrays[f"counts-{number}"] = np.diff(chunk.offsets)
    return arrays


def key_frames_of(
    path: Path, most: int
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
    """Yields key frames (K, C, H, W), positions and steps of insertion of the first clips of a checkpoint.

    Args:
        path: the file, of the method dfs or dm; those of others yield nothing.
        most: clips at most.
    """
    with np.load(path, allow_pickle=False) as archive:
        numbers = itertools.takewhile(lambda number: f"counts-{number}" in archive, itertools.count())
        for number in numbers:
            counts = archive[f"counts-{number}"]
            ends = np.cumsum(counts)
            frames, positions, steps = (
                archive[f"{name}-{number}"] for name in ("frames", "positions", "inserted_at")
            )
            for start, end in zip(ends - counts, ends, strict=True):
                if most <= 0:
                    return
                most -= 1
                yield frames[start:end], positions[start:end], steps[start:end]


def joined_states(states: Sequence[State]) -> State:
    """Returns the key frames of successive clips that several ranks hold as one state."""
    joined: State = {}
    for state in states:
        start = sum(name.startswith("counts-") for name in joined)
        for name, array in state.items():
            kind, number = name.rsplit("-", 1)
            joined[f"{kind}-{start + int(number)}"] = array
    return joined


def restore_key_frames(
    path: Path, state: State, groups: Sequence[Group], first_clip: int = 0, num_clips: int | None = None
) -> None:
    """Puts the state of a checkpoint into `groups`.

    Args:
        path: the file it comes from, for messages.
        state: from `key_frame_state`.
        groups: freshly initialised key frames of the same clips; the chunks may be cut otherwise.
        first_clip: number of their first clip.
        num_clips: of the whole run; those of `groups` when absent.

    Raises:
        CheckpointError: it is of other clips.
    """
    numbers = range(sum(name.startswith("counts-") for name in state))
    parts = {name: [state[f"{name}-{i}"] for i in numbers] for name in (*_ARRAYS, *_EVIDENCE, "counts")}
    flat = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    offsets = np.concatenate(([0], np.cumsum(flat["counts"])))
    chunks = [chunk for group in groups for chunk in group]
    wanted = sum(map(len, chunks)) if num_clips is None else num_clips
    if len(flat["counts"]) != wanted or offsets[-1] != len(flat["frames"]):
        raise CheckpointError(
            f"the checkpoint {path} holds {len(flat['counts'])} clips, not those of this run"
        )
    there = (int(flat["positions"].max()) + 1, flat["frames"].shape[1:])
    here = (chunks[0].num_frames, tuple(chunks[0].frames.shape[1:]))
    # A clip of one key frame has position 0, so that its positions do not tell its length.
    if there[1] != here[1] or there[0] not in (1, here[0]):
        raise CheckpointError(
            f"the checkpoint {path} holds clips of {there[0]} frames of {there[1]}, this run has {here[0]} "
            f"of {here[1]}: the real clips have changed; delete it to start the run again"
        )
    first = first_clip
    for chunk in chunks:
        clips, rows = slice(first, first + len(chunk)), slice(*offsets[[first, first + len(chunk)]])
        chunk.restore(counts=flat["counts"][clips], **{name: flat[name][rows] for name in _ARRAYS})
        chunk.evidence.restore(**{name: flat[name][clips] for name in _EVIDENCE})
        first += len(chunk)


def _check_settings(path: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = sorted(k for k in saved.keys() | wanted.keys() if saved.get(k) != wanted.get(k))
    if different:
        shown = ", ".join(f"{k} {saved.get(k)!r} there and {wanted.get(k)!r} here" for k in different)
        raise CheckpointError(
            f"the checkpoint {path} is of a run with other settings: {shown}; use those or another --out, "
            "or --overwrite without --resume to start again"
        )
