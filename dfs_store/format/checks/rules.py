"""Checks the rules for a store's small arrays, with vectorised tests."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.format.checks.problems import Problem
from dfs_store.format.spec import FRAME_ENCODINGS, LEVELS, MAX_DECODED_BYTES, SMALL_ARRAYS, Header

__all__ = ["array_problems", "coded_file_problem", "expected_shape"]

Arrays = Mapping[str, npt.NDArray[Any]]
# In addition to twice the size of its pixels, an image file may have this many bytes per frame for headers.
_FILE_BYTES = 4096
MOST_PER_RULE = 100  # if a million clips break a rule, only the first hundred are reported


def expected_shape(
    name: str,
    num_key_frames: int,
    num_clips: int,
    channels: int,
    encoding: str | None = None,
    num_classes: int = 0,
) -> tuple[int, ...]:
    """Returns the shape that the small array `name` must have."""
    per_clip = encoding is not None and FRAME_ENCODINGS[encoding] == "clip"
    num_files = num_clips if per_clip else num_key_frames
    scales = (num_key_frames if encoding is None else 1, channels)
    shapes: dict[str, tuple[int, ...]] = {
        "offsets": (num_clips + 1,),
        "labels": (num_clips,),
        "scale": scales,
        "zero": scales,
        "checksums": (num_files,),
        "coded_offsets": (num_files + 1,),
        "soft_labels": (num_clips, num_classes),
    }
    return shapes.get(name, (num_key_frames,))


def array_problems(
    header: Header, arrays: Arrays, num_key_frames: int, dtype: str, coded_bytes: int = 0
) -> Iterator[Problem]:
    """Yields a problem for each rule that the small arrays break.

    Args:
        header: header of the store.
        arrays: the existing small arrays by name, with the correct dtypes.
        num_key_frames: S, from the shape of key_frames, or the number of positions if frames are encoded.
        dtype: stored dtype of key_frames.
        coded_bytes: B, from the shape of coded_frames; 0 if key frames are not encoded.
    """
    optional = {"inserted_at", "soft_labels"} | (set() if dtype == "uint8" else {"scale", "zero"})
    optional |= {"coded_offsets"} if header.frame_encoding is None else set()
    missing = [name for name in SMALL_ARRAYS if name not in arrays and name not in optional]
    for name in missing:
        yield Problem(f"the array {name} is missing", name)
    if dtype != "uint8":
        for name in sorted({"scale", "zero"} & arrays.keys()):
            yield Problem(f"{name} is allowed only with uint8 frames, but key_frames are {dtype}", name)
    if header.frame_encoding is None and "coded_offsets" in arrays:
        yield Problem("coded_offsets is allowed only with coded_frames", "coded_offsets")
        return
    if missing:
        return
    if num_key_frames == 0 or arrays["labels"].size == 0:
        yield Problem("a store must contain at least one clip", "labels")
        return
    shapes = list(_shape_problems(header, arrays, num_key_frames))
    yield from shapes
    if shapes:
        return
    offsets = list(_offset_problems(arrays["offsets"], num_key_frames))
    yield from offsets
    if not offsets:
        yield from _position_problems(header, arrays["positions"], arrays["offsets"])
    if "coded_offsets" in arrays:
        broken = list(_offset_problems(arrays["coded_offsets"], coded_bytes, "coded_offsets"))
        yield from broken
        if not broken and not offsets:
            yield from _file_problems(header, arrays)
    yield from _value_problems(header, arrays)


def _shape_problems(header: Header, arrays: Arrays, num_key_frames: int) -> Iterator[Problem]:
    num_clips = arrays["labels"].size
    for name, array in arrays.items():
        shape = expected_shape(
            name,
            num_key_frames,
            num_clips,
            header.frame_shape[0],
            header.frame_encoding,
            len(header.class_names),
        )
        if array.shape != shape:
            yield Problem(
                f"{name} must have shape {shape} ({num_key_frames} key frames, {num_clips} clips), "
                f"got {array.shape}",
                name,
            )


def _offset_problems(offsets: npt.NDArray[np.int64], end: int, name: str = "offsets") -> Iterator[Problem]:
    what = {"offsets": "key frames", "coded_offsets": "coded bytes"}[name]
    if offsets[0] != 0:
        yield Problem(f"{name} must start at 0, got {offsets[0]}", name, 0)
    if offsets[-1] != end:
        yield Problem(
            f"{name} must end at the number of {what} ({end}), got {offsets[-1]}", name, offsets.size - 2
        )
    # Compared instead of subtracted, because a difference of two int64 could overflow.
    for clip in _first(offsets[1:] <= offsets[:-1]):
        yield Problem(
            f"{name} must increase by at least 1, got {offsets[clip]} followed by {offsets[clip + 1]}",
            name,
            clip,
        )


def coded_file_problem(frames: int, size_bytes: int, frame_shape: tuple[int, int, int]) -> str | None:
    """Returns an error message if an image file or its decoded frames are too large, otherwise None."""
    decoded = frames * math.prod(frame_shape)
    if decoded > MAX_DECODED_BYTES:
        return (
            f"an image file must decode to at most {MAX_DECODED_BYTES:,} bytes, got {decoded:,} bytes "
            f"({frames:,} frames)"
        )
    limit = _file_limit(frames, frame_shape)
    if size_bytes > limit:
        return (
            f"an image file that decodes to {decoded:,} bytes must have at most {limit:,} bytes, "
            f"got {size_bytes:,}"
        )
    return None


def _file_limit(frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns the maximum size of an image file in bytes; 0 if the file has too many frames."""
    decoded = frames * math.prod(frame_shape)
    return 0 if decoded > MAX_DECODED_BYTES else 2 * decoded + frames * _FILE_BYTES


def _file_problems(header: Header, arrays: Arrays) -> Iterator[Problem]:
    """Yields a problem for each image file that is too large for its frames, without reading any file."""
    offsets, sizes = arrays["offsets"], np.diff(arrays["coded_offsets"])
    per_clip = FRAME_ENCODINGS[str(header.frame_encoding)] == "clip"
    counts = np.diff(offsets) if per_clip else np.ones_like(sizes)
    different, which = np.unique(counts, return_inverse=True)
    most = np.array([_file_limit(count, header.frame_shape) for count in different.tolist()])[which]
    for file in _first(sizes > most):
        what = coded_file_problem(int(counts[file]), int(sizes[file]), header.frame_shape)
        clip = file if per_clip else int(np.searchsorted(offsets, file, side="right")) - 1
        yield Problem(str(what), "coded_offsets", clip)


def _position_problems(
    header: Header, positions: npt.NDArray[np.uint16], offsets: npt.NDArray[np.int64]
) -> Iterator[Problem]:
    first, last = offsets[:-1], offsets[1:] - 1
    end = header.num_frames - 1
    rising = np.ones(positions.size, dtype=bool)
    rising[1:] = positions[1:] > positions[:-1]
    rising[first] = True
    bad_first = positions[first] != 0
    bad_last = (positions[last] != end) & (last > first)
    falling = np.zeros(first.size, dtype=bool)
    falling[np.searchsorted(offsets, np.flatnonzero(~rising), side="right") - 1] = True
    for broken, rule in (
        (bad_first, "the first position must be 0"),
        (bad_last, f"the last position must be num_frames - 1 = {end}"),
        (falling, "positions must strictly increase"),
    ):
        for clip in _first(broken):
            shown = np.array2string(positions[offsets[clip] : offsets[clip + 1]], threshold=12)
            yield Problem(f"{rule}, got {shown}", "positions", clip)


def _value_problems(header: Header, arrays: Arrays) -> Iterator[Problem]:
    labels, count = arrays["labels"], len(header.class_names)
    for clip in _first((labels < 0) | (labels >= count)):
        yield Problem(
            f"labels must be in 0..{count - 1} ({count} classes), got {labels[clip]}", "labels", clip
        )
    inserted_at = arrays.get("inserted_at")
    if inserted_at is not None:
        for frame in _first(inserted_at < -1):
            yield Problem(
                f"inserted_at must be -1 or a 0-based step, got {inserted_at[frame]}",
                "inserted_at",
                frames=(frame, frame + 1),
            )
    if "soft_labels" in arrays:
        for clip in _first(~np.isfinite(arrays["soft_labels"]).all(axis=1)):
            yield Problem("soft_labels must be finite, got NaN or infinity", "soft_labels", clip)
    yield from _scale_problems(arrays)


def _scale_problems(arrays: Arrays) -> Iterator[Problem]:
    for name in ("scale", "zero"):
        array = arrays.get(name)
        if array is None:
            continue
        bad = ~np.isfinite(array)
        if name == "scale":
            bad |= array < 0
        for frame in _first(bad.any(axis=1)):
            rule = "finite and at least 0" if name == "scale" else "finite"
            yield Problem(f"{name} must be {rule}, got {array[frame]}", name, frames=(frame, frame + 1))
    if {"scale", "zero"} <= arrays.keys():
        with np.errstate(over="ignore", invalid="ignore"):
            largest = arrays["zero"] + arrays["scale"] * np.float32(LEVELS)
        finite = np.isfinite(arrays["zero"]) & np.isfinite(arrays["scale"])
        for frame in _first((~np.isfinite(largest) & finite).any(axis=1)):
            yield Problem(
                f"zero + scale * {LEVELS} must be finite, got scale {arrays['scale'][frame]}",
                "scale",
                frames=(frame, frame + 1),
            )


def _first(broken: npt.ArrayLike) -> list[int]:
    """Returns the first indices at which an array is true, at most `MOST_PER_RULE` of them."""
    return [int(index) for index in np.flatnonzero(broken)[:MOST_PER_RULE]]
