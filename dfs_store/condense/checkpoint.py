"""Checkpoints: the whole state of a run in one .npz file beside the output, without pickle.

The file holds every array that is trained, with its momentum, and the settings that decide what comes out,
so that a run continues to exactly the arrays of an undisturbed one, and never with other settings.
Damage shows: every member of the archive carries a checksum.
"""

import contextlib
import errno
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dfs_store.condense.initialise import Group
from dfs_store.errors import CheckpointError, DiskFullError

__all__ = [
    "checkpoint_path",
    "joined_states",
    "key_frame_state",
    "load_checkpoint",
    "restore_key_frames",
    "save_checkpoint",
]

State = dict[str, npt.NDArray[Any]]

_ARRAYS = ("frames", "momentum", "positions", "inserted_at")


def checkpoint_path(out: str | Path) -> Path:
    """Returns where the checkpoint of a run lies: beside its output."""
    out = Path(out)
    return out.with_name(out.name + ".checkpoint.npz")


def save_checkpoint(path: Path, step: int, settings: dict[str, Any], state: State) -> None:
    """Writes a checkpoint; it replaces an older one in one move, so that one of them is always whole.

    Args:
        path: the file.
        step: the next step to be done.
        settings: what decides the result, as JSON.
        state: arrays by name.

    Raises:
        DiskFullError: no space is left; the older checkpoint still stands.
    """
    header = json.dumps({"step": step, "settings": settings}, sort_keys=True).encode()
    arrays: dict[str, Any] = {"header": np.frombuffer(header, dtype=np.uint8), **state}
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no space left for the checkpoint {path} "
                f"({sum(a.nbytes for a in arrays.values()):,} bytes); free some space and use --resume"
            ) from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def load_checkpoint(path: Path, settings: dict[str, Any]) -> tuple[int, State]:
    """Returns the next step to be done and the arrays of a checkpoint.

    Args:
        path: the file.
        settings: those of this run; they must be those of the checkpoint.

    Raises:
        CheckpointError: it is damaged, or of other settings, which are named.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            header = json.loads(bytes(archive["header"]))
            _check_settings(path, header["settings"], settings)
            return int(header["step"]), {n: archive[n] for n in archive.files if n != "header"}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"the checkpoint {path} is damaged ({error}); delete it to start the run again"
        ) from error


def key_frame_state(groups: Sequence[Group]) -> State:
    """Returns all that a run must keep of its key frames."""
    arrays: State = {}
    for number, chunk in enumerate(chunk for group in groups for chunk in group):
        for name in _ARRAYS:
            value = getattr(chunk, name)
            arrays[f"{name}-{number}"] = value.cpu().numpy() if isinstance(value, torch.Tensor) else value
        arrays[f"counts-{number}"] = np.diff(chunk.offsets)
    return arrays


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
    parts = {name: [state[f"{name}-{i}"] for i in numbers] for name in (*_ARRAYS, "counts")}
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
    # A clip of one key frame stands at 0, so that its positions do not tell its length.
    if there[1] != here[1] or there[0] not in (1, here[0]):
        raise CheckpointError(
            f"the checkpoint {path} holds clips of {there[0]} frames of {there[1]}, this run has {here[0]} "
            f"of {here[1]}: the real clips have changed; delete it to start the run again"
        )
    first = first_clip
    for chunk in chunks:
        span = slice(*offsets[[first, first + len(chunk)]])
        chunk.restore(
            counts=flat["counts"][first : first + len(chunk)], **{name: flat[name][span] for name in _ARRAYS}
        )
        first += len(chunk)


def _check_settings(path: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = sorted(k for k in saved.keys() | wanted.keys() if saved.get(k) != wanted.get(k))
    if different:
        shown = ", ".join(f"{k} {saved.get(k)!r} there and {wanted.get(k)!r} here" for k in different)
        raise CheckpointError(
            f"the checkpoint {path} is of a run with other settings: {shown}; use those or another --out, "
            "or --overwrite without --resume to start again"
        )
