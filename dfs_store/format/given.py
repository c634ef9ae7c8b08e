"""Validates a writer's input: attributes, key frames, labels and insertion steps."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import ClipError, SettingsError
from dfs_store.format.coded.encoding import FrameEncoding
from dfs_store.format.digest import canonical_json
from dfs_store.format.io.reading import parse_json
from dfs_store.format.spec import FORMAT_VERSION, RESERVED_KEYS, header_problems
from dfs_store.names import valid_unicode

__all__ = ["build_attributes", "check_frames", "check_label", "check_soft_label", "check_steps"]

_STEP_LIMIT = 2**31  # inserted_at is int32


def build_attributes(
    num_frames: int,
    frame_shape: Sequence[int],
    class_names: Sequence[str],
    extra: Mapping[str, Any] | None,
    encoding: FrameEncoding | None = None,
) -> dict[str, Any]:
    """Validates the settings of a new store, and returns its attributes without `complete` and `digest`.

    Raises:
        SettingsError: a value is invalid; the message lists all invalid values.
    """
    if isinstance(class_names, str):
        raise SettingsError(f"class_names must be a list of names, got the string {class_names!r}")
    given = _readable(dict(extra or {}))
    reserved = sorted(RESERVED_KEYS & given.keys())
    if reserved:
        raise SettingsError(f"attributes must not contain {', '.join(reserved)}, which the writer sets")
    try:
        attributes: dict[str, Any] = parse_json(
            canonical_json(
                {
                    "normalization": None,
                    "provenance": {},
                    **given,
                    "format_version": FORMAT_VERSION,
                    "num_frames": _whole("num_frames must be a whole number", num_frames),
                    "frame_shape": [
                        _whole("frame_shape must be whole numbers", side) for side in frame_shape
                    ],
                    "class_names": [str(name) for name in class_names],
                    "interpolation": "linear",
                    "frame_encoding": encoding and {"name": encoding.name, "unit": encoding.unit},
                }
            )
        )
    except SettingsError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingsError(f"attributes must be JSON values with finite numbers: {error}") from error
    problems = header_problems(attributes)
    if problems:
        raise SettingsError("; ".join(problems))
    return attributes


def _readable(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Converts all strings to valid Unicode. Bytes in paths that are not UTF-8 are escaped."""
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return valid_unicode(value) if isinstance(value, str) else value


def check_frames(key_frames: npt.ArrayLike, frame_shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Returns key frames as (K, C, H, W) float32. Raises ClipError if their shape or a value is invalid."""
    values = np.asarray(key_frames)
    if values.ndim != 4 or values.shape[0] == 0 or values.shape[1:] != frame_shape:
        raise ClipError(
            f"key frames must have shape (K, {', '.join(map(str, frame_shape))}) with K >= 1, "
            f"got {values.shape}"
        )
    if values.dtype.kind not in "fiu":
        raise ClipError(f"key frames must be real numbers, got dtype {values.dtype}")
    with np.errstate(over="ignore"):
        frames = values.astype(np.float32)
    if not np.isfinite(frames).all():
        bad = int(np.flatnonzero(~np.isfinite(frames).all(axis=(1, 2, 3)))[0])
        raise ClipError(f"key frames must be finite in float32, but key frame {bad} of the clip is not")
    return frames


def check_label(label: int, num_classes: int) -> int:
    """Returns a label as an int. Raises ClipError unless it is a whole number in 0..num_classes - 1."""
    number = np.asarray(label)
    if number.shape != () or not np.issubdtype(number.dtype, np.integer):
        raise ClipError(f"label must be one whole number, got {label!r}")
    if not 0 <= int(number) < num_classes:
        raise ClipError(f"label must be in 0..{num_classes - 1} ({num_classes} classes), got {int(number)}")
    return int(number)


def check_steps(inserted_at: npt.ArrayLike, count: int) -> npt.NDArray[Any]:
    """Returns `inserted_at` as (count,) integers. Raises ClipError unless each is -1 or a 0-based step."""
    steps = np.asarray(inserted_at)
    if steps.shape != (count,) or not np.issubdtype(steps.dtype, np.integer):
        raise ClipError(
            f"inserted_at must be {count} whole numbers, got shape {steps.shape} and dtype {steps.dtype}"
        )
    if (steps < -1).any() or (steps >= _STEP_LIMIT).any():
        raise ClipError(f"inserted_at must be in -1..{_STEP_LIMIT - 1}, got {steps}")
    return steps


def check_soft_label(soft_label: npt.ArrayLike, num_classes: int) -> npt.NDArray[Any]:
    """Returns a soft label as (1, num_classes) float16. Raises ClipError if it is invalid."""
    values = np.asarray(soft_label)
    if values.shape != (num_classes,) or values.dtype.kind not in "fiu":
        raise ClipError(
            f"a soft label must be {num_classes} real numbers, one per class, got shape {values.shape} and "
            f"dtype {values.dtype}"
        )
    with np.errstate(over="ignore"):
        stored = values.astype("<f2")
    if not np.isfinite(stored).all():
        wrong = values[~np.isfinite(stored)][0]
        raise ClipError(f"soft labels must be finite in float16 (at most 65504), got {wrong}")
    return stored[None]


def _whole(rule: str, value: Any) -> int:  # noqa: ANN401 - any user input
    try:
        return operator.index(value)
    except TypeError:
        raise SettingsError(f"{rule}, got {value!r}") from None
