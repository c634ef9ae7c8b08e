"""Checkpoints save the complete state of a run in an .npz file next to the output, without pickle.

The file contains every trained array with its momentum, the evidence for insertion, and the settings that
determine the result. A resumed run therefore yields exactly the same arrays as an uninterrupted run, and
cannot continue with different settings or real clips. Every member of the archive has a checksum, so damage
is detected. The previous checkpoint is kept, and is used if the newest one is damaged.
"""

import contextlib
import itertools
import json
import warnings
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dfs_store.condense.engine.initialise import Group
from dfs_store.errors import CheckpointError
from dfs_store.format.io.durable import Part, output_error, sync_folder, write_synced
from dfs_store.format.io.place import local_beside
from dfs_store.format.io.reading import open_found, parse_json
from dfs_store.names import counted

__all__ = [
    "ClipState",
    "checkpoint_path",
    "checkpoints_of",
    "clips_of_state",
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


class ClipState(NamedTuple):
    """The key frames of a clip during a run.

    Attributes:
        key_frames: (K, C, H, W) float32.
        positions: (K,) int64, positions of the key frames.
        inserted_at: (K,) int32, step of insertion; -1 for an initial key frame.
    """

    key_frames: npt.NDArray[np.float32]
    positions: npt.NDArray[np.int64]
    inserted_at: npt.NDArray[np.int32]


_ARRAYS = ("frames", "momentum", "positions", "inserted_at")  # one row per key frame
_EVIDENCE = ("cosine_sums", "opposed", "steps")  # one row per clip


def checkpoint_path(out: str | Path) -> Path:
    """Returns the path of the newest checkpoint: next to the output, or in the working folder for a URL."""
    return local_beside(out, ".checkpoint.npz")


def _former_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".npz") + ".former.npz")


def checkpoints_of(out: str | Path) -> list[Path]:
    """Returns the existing checkpoints of an output, newest first."""
    newest = checkpoint_path(out)
    return [path for path in (newest, _former_path(newest)) if path.exists()]


def remove_checkpoints(out: str | Path) -> None:
    """Removes the checkpoints of a run whose store is complete."""
    for path in checkpoints_of(out):
        path.unlink(missing_ok=True)


def save_checkpoint(path: Path, step: int, settings: dict[str, Any], state: State) -> None:
    """Writes a checkpoint and keeps the previous one, so that an intact checkpoint always exists.

    Args:
        path: path of the checkpoint.
        step: the next step to run.
        settings: the settings that determine the result, as a JSON object.
        state: arrays by name.

    Raises:
        DiskFullError: the disk is full; the previous checkpoint is kept.
        OutputNotWritableError: the file cannot be written; the previous checkpoint is kept.
    """
    # Includes the names, because an archive with a damaged member list may open with some members missing.
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
    """Returns the next step and the arrays of the newest intact checkpoint; None if there is no checkpoint.

    Args:
        out: the output of the run.
        settings: the settings of this run, which must match those of the checkpoint.

    Raises:
        CheckpointError: all checkpoints are damaged, or settings differ; the message names the settings that
            differ.
    """
    found = checkpoints_of(out)
    for number, path in enumerate(found, start=1):
        try:
            step, saved, state = _read(path)
        except _DAMAGE as error:
            if number == len(found):
                raise CheckpointError(
                    f"the checkpoint {path} is damaged ({error}); "
                    "delete the checkpoint to start the run again"
                ) from error
            warnings.warn(
                f"the checkpoint {path} is damaged ({error}); continuing from the previous one", stacklevel=2
            )
            continue
        _check_settings(path, saved, settings)
        return step, state
    return None


def recorded_settings(out: str | Path) -> dict[str, Any] | None:
    """Returns the settings of the newest checkpoint that can be read; None if there is none."""
    for path in checkpoints_of(out):
        with contextlib.suppress(*_DAMAGE):
            return _read(path)[1]
    return None


# Exceptions that reading a damaged archive can raise.
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
    with open_found(path) as file, np.load(file, allow_pickle=False) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.zip.infolist()):
            raise ValueError("its members are compressed, so their size in memory is unlimited")
        header = parse_json(bytes(archive["header"]))
        if type(header["step"]) is not int or header["step"] < 0:
            raise ValueError(f"its step must be a whole number of at least 0, got {header['step']!r:.80}")
        state = {name: archive[name] for name in archive.files if name != "header"}
        if sorted(state) != header["arrays"] or not state:
            raise ValueError("some of its arrays are missing")
        return header["step"], dict(header["settings"]), state


def key_frame_state(groups: Sequence[Group]) -> State:
    """Returns the state of the key frames, as saved in a checkpoint."""
    arrays: State = {}
    for number, chunk in enumerate(chunk for group in groups for chunk in group):
        for name in _ARRAYS:
            value = getattr(chunk, name)
            arrays[f"{name}-{number}"] = value.cpu().numpy() if isinstance(value, torch.Tensor) else value
        for name in _EVIDENCE:
            arrays[f"{name}-{number}"] = getattr(chunk.evidence, name)
        arrays[f"counts-{number}"] = np.diff(chunk.offsets)
    return arrays


def key_frames_of(path: Path, clips: Collection[int]) -> list[ClipState]:
    """Reads clips from a dfs or dm checkpoint. Returns an empty list for other methods.

    Args:
        path: path of the checkpoint.
        clips: numbers of the clips to read.
    """
    with open_found(path) as file, np.load(file, allow_pickle=False) as archive:
        return clips_of_state(archive, clips)


def clips_of_state(state: Mapping[str, npt.NDArray[Any]], clips: Collection[int]) -> list[ClipState]:
    """Returns copies of some clips in a state, in ascending order of their numbers.

    Args:
        state: the result of `key_frame_state`; other states contain no clips.
        clips: numbers of the clips.
    """
    found, first = [], 0
    for number in itertools.takewhile(lambda number: f"counts-{number}" in state, itertools.count()):
        ends = np.cumsum(state[f"counts-{number}"])
        inside = [clip - first for clip in sorted(clips) if first <= clip < first + len(ends)]
        first += len(ends)
        if inside:
            arrays = [state[f"{name}-{number}"] for name in ("frames", "positions", "inserted_at")]
            for clip in inside:
                own = slice(ends[clip - 1] if clip else 0, ends[clip])
                found.append(ClipState(*(array[own].copy() for array in arrays)))
    return found


def joined_states(states: Sequence[State]) -> State:
    """Joins the states of several ranks, which train successive clips, into one."""
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
    """Restores the state of a checkpoint into `groups`.

    Args:
        path: path of the checkpoint, for error messages.
        state: the state, see `key_frame_state`.
        groups: newly initialised key frames of the same clips; their chunks may differ.
        first_clip: number of the first clip in `groups`.
        num_clips: number of clips of the whole run; by default, the number of clips in `groups`.

    Raises:
        CheckpointError: the checkpoint was made with different clips.
    """
    chunks = [chunk for group in groups for chunk in group]
    try:
        flat = _flat(state, key_frame_state([chunks[:1]]))
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"the checkpoint {path} does not match this run ({error}); delete the checkpoint "
            "to start the run again"
        ) from error
    offsets = np.concatenate(([0], np.cumsum(flat["counts"])))
    wanted = sum(map(len, chunks)) if num_clips is None else num_clips
    if offsets[-1] != len(flat["frames"]):
        raise CheckpointError(
            f"the checkpoint {path} counts {offsets[-1]:,} key frames but contains {len(flat['frames']):,}; "
            "delete the checkpoint to start the run again"
        )
    if len(flat["counts"]) != wanted:
        raise CheckpointError(
            f"the checkpoint {path} contains {counted(len(flat['counts']), 'clip')}, but this run has "
            f"{wanted:,}; delete the checkpoint to start the run again"
        )
    there = (int(flat["positions"].max()) + 1, flat["frames"].shape[1:])
    here = (chunks[0].num_frames, tuple(chunks[0].frames.shape[1:]))
    # Clips with a single key frame have position 0 only, which does not reveal their length.
    if there[1] != here[1] or there[0] not in (1, here[0]):
        raise CheckpointError(
            f"the checkpoint {path} contains clips of {there[0]} frames with shape {there[1]}, but this run "
            f"needs {here[0]} frames with shape {here[1]}, because the real clips have changed; delete the "
            "checkpoint to start the run again"
        )
    if flat["cosine_sums"].shape[-1] != here[0] or not _are_positions(flat["positions"], offsets, here[0]):
        raise CheckpointError(
            f"the checkpoint {path} contains invalid positions for clips of {here[0]} frames; delete the "
            "checkpoint to start the run again"
        )
    first = first_clip
    for chunk in chunks:
        clips, rows = slice(first, first + len(chunk)), slice(*offsets[[first, first + len(chunk)]])
        chunk.restore(counts=flat["counts"][clips], **{name: flat[name][rows] for name in _ARRAYS})
        chunk.evidence.restore(**{name: flat[name][clips] for name in _EVIDENCE})
        first += len(chunk)


def _flat(state: State, like: State) -> State:
    """Joins the arrays of all chunks. Raises ValueError or KeyError unless they match those in `like`."""
    numbers = range(sum(name.startswith("counts-") for name in state))
    flat = {}
    for name in (*_ARRAYS, *_EVIDENCE, "counts"):
        flat[name] = np.concatenate([state[f"{name}-{number}"] for number in numbers])
        wanted = like[f"{name}-0"]
        if (flat[name].dtype, flat[name].ndim) != (wanted.dtype, wanted.ndim):
            raise ValueError(
                f"its array {name} must have {counted(wanted.ndim, 'dimension')} and dtype {wanted.dtype}, "
                f"got shape {flat[name].shape} and dtype {flat[name].dtype}"
            )
        rows = len(flat["frames"] if name in _ARRAYS else flat["cosine_sums"])
        if len(flat[name]) != rows:
            raise ValueError(f"its array {name} must have {counted(rows, 'row')}, got {len(flat[name]):,}")
    if flat["frames"].shape != flat["momentum"].shape or not all(
        np.isfinite(flat[name]).all() for name in ("frames", "momentum")
    ):
        raise ValueError("its frames and momentum must be finite and have the same shape")
    if (flat["counts"] < 1).any():
        raise ValueError("one of its clips has no key frame")
    if not flat["cosine_sums"].shape[::2] == flat["opposed"].shape == flat["steps"].shape:
        raise ValueError("its evidence arrays have different shapes")
    return flat


def _are_positions(positions: npt.NDArray[Any], offsets: npt.NDArray[Any], num_frames: int) -> bool:
    """Returns whether the positions of every clip start at 0, increase, and do not exceed the last frame."""
    steps = np.diff(positions, prepend=-1)
    starts = offsets[:-1]
    return bool(
        (positions < num_frames).all()
        and (positions[starts] == 0).all()
        and (np.delete(steps, starts) > 0).all()
    )


def _check_settings(path: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = sorted(k for k in saved.keys() | wanted.keys() if saved.get(k) != wanted.get(k))
    if different:
        shown = "; ".join(f"{k} was {saved.get(k)!r}, now {wanted.get(k)!r}" for k in different)
        raise CheckpointError(
            f"the checkpoint {path} was made with different settings ({shown}); use the same settings, "
            "choose a different --out, or add --overwrite without --resume to restart"
        )
