"""Defines the constants of format 1.0, and validates the header of a store.

docs/format.md describes the format in prose. Its MUST rules are checked here and in `checks.rules`.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeGuard

from dfs_store.errors import DamagedStoreError, NewerFormatError
from dfs_store.interpolation import MAX_FRAMES

__all__ = [
    "ATTRIBUTE",
    "CODED",
    "FORMAT_VERSION",
    "FRAME_DTYPES",
    "FRAME_ENCODINGS",
    "MAX_DECODED_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_SIDES",
    "NATIVE",
    "NATIVE_DTYPES",
    "RESERVED_KEYS",
    "SMALL_ARRAYS",
    "ZARR_JSON",
    "Header",
    "check_version",
    "frame_size_bytes",
    "header_problems",
    "parse_header",
]

FORMAT_VERSION = "1.0"
ATTRIBUTE = "dfs_store"  # the header: an attribute of the root in Zarr, a dataset with its JSON text in HDF5
ZARR_JSON = "zarr.json"  # metadata file of a Zarr array or group
FRAMES = "key_frames"  # the large array of a store, with one row per key frame
CODED = "coded_frames"  # replaces key_frames if they are stored as image files: the bytes of all files
# The encodings by name, and what one image file contains.
FRAME_ENCODINGS = {"webp": "frame", "avif": "clip"}
CODED_CHANNELS = 3  # frames stored as images are RGB
MAX_CODED_SIDE = 16_383  # in pixels; limit of WebP, half that of AVIF
FRAME_DTYPES = {"float32": "<f4", "float16": "<f2", "uint8": "|u1"}
# All other arrays, in the order in which the digest covers them.
SMALL_ARRAYS = {
    "positions": "<u2",
    "offsets": "<i8",
    "labels": "<i4",
    "scale": "<f4",
    "zero": "<f4",
    "inserted_at": "<i4",
    "checksums": "<u4",
    "coded_offsets": "<i8",
    "soft_labels": "<f2",
}
LEVELS = 255  # the largest uint8 value
# Name of the group of arrays that a method needs in addition to key frames, and of their header key.
NATIVE = "native"
MAX_SIDES = 8  # maximum number of dimensions of an array
NATIVE_DTYPES = {**FRAME_DTYPES, "int32": "<i4", "int64": "<i8"}
# Keys that only the writer sets.
RESERVED_KEYS = frozenset({
    "format_version", "num_frames", "frame_shape", "class_names", "interpolation", "complete", "digest",
    "frame_encoding", NATIVE,
})  # fmt: skip
# The normalization of clips that dfs-store prepares.
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
# The header must be read as a whole before it can be checked, so its size is limited.
MAX_HEADER_BYTES = 256 * 2**20
# A compressed store is decompressed frame by frame; an 8K float32 frame takes 398 MB.
MAX_FRAME_BYTES = 2**29
# An image file is decoded as a whole; a dense 720p clip of 24 s takes 2.0 GB.
MAX_DECODED_BYTES = 2**31


@dataclass(frozen=True)
class Header:
    """The validated header of a store.

    Attributes:
        num_frames: T, number of frames in every rebuilt clip.
        frame_shape: (C, H, W) of every key frame.
        class_names: class names in the order of their labels.
        normalization: {"mean": [...], "std": [...]} with C numbers each, or None.
        fps: frames per second for playback, or None.
        frame_encoding: a key of `FRAME_ENCODINGS` if key frames are image files, otherwise None.
        digest: SHA-256 of the small arrays and `attributes`, in hex.
        native: description of the native arrays (see `dfs_store.format.native`), or None.
        attributes: the whole JSON object, including unknown keys.
    """

    num_frames: int
    frame_shape: tuple[int, int, int]
    class_names: list[str]
    normalization: dict[str, list[float]] | None
    fps: float | None
    frame_encoding: str | None
    digest: str
    native: dict[str, Any] | None
    attributes: dict[str, Any]


def frame_size_bytes(frame_shape: tuple[int, ...], dtype: str) -> int:
    """Returns the size of one stored frame in bytes."""
    itemsize = {"float32": 4, "float16": 2, "uint8": 1}[dtype]
    return math.prod(int(side) for side in frame_shape) * itemsize


def check_version(attributes: object, path: object) -> None:
    """Checks the format version of attributes that have not been parsed yet.

    Raises:
        NewerFormatError: the major version is above 1.
        DamagedStoreError: there is no readable version.
    """
    version = attributes.get("format_version") if isinstance(attributes, dict) else None
    parts = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version, re.ASCII) if isinstance(version, str) else None
    if parts is None or int(parts[1]) == 0:
        raise DamagedStoreError(
            f'{path}: format_version must be a string such as "{FORMAT_VERSION}", got {_shown(version)}'
        )
    if int(parts[1]) > int(FORMAT_VERSION.split(".")[0]):
        raise NewerFormatError(
            f"{path} has format version {version}, but this version of dfs-store supports up to 1.x; "
            "upgrade dfs-store (pip install --upgrade dfs-store) to read it"
        )


def parse_header(attributes: Any, path: object) -> Header:  # noqa: ANN401 - any JSON
    """Checks the header against every rule and returns it as a `Header`.

    Raises:
        NewerFormatError: the store was written by a newer major version.
        DamagedStoreError: a rule is broken; the message lists all broken rules.
    """
    check_version(attributes, path)
    _check_encoding_known(attributes, path)
    problems = header_problems(attributes)
    if attributes.get("complete") is not True:
        problems.insert(0, "the store was never finished (complete is not true); write it again")
    digest = attributes.get("digest")
    if not (isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)):
        problems.append(f"digest must be 64 lower-case hex digits, got {_shown(digest)}")
    if problems:
        raise DamagedStoreError(f"{path}: " + "; ".join(problems))
    channels, height, width = attributes["frame_shape"]
    return Header(
        num_frames=attributes["num_frames"],
        frame_shape=(channels, height, width),
        class_names=list(attributes["class_names"]),
        normalization=attributes.get("normalization"),
        fps=attributes.get("fps"),
        frame_encoding=(attributes.get("frame_encoding") or {}).get("name"),
        digest=str(digest),
        native=attributes.get(NATIVE),
        attributes=attributes,
    )


def header_problems(attributes: dict[str, Any]) -> list[str]:
    """Checks the attributes that describe the clips, and returns a message for each broken rule."""
    problems = []
    num_frames = attributes.get("num_frames")
    if not (_is_int(num_frames) and 2 <= num_frames <= MAX_FRAMES):
        problems.append(f"num_frames must be a whole number in 2..{MAX_FRAMES}, got {_shown(num_frames)}")
    shape = attributes.get("frame_shape")
    channels = None
    if not (
        isinstance(shape, list) and len(shape) == 3 and all(_is_int(side) and side > 0 for side in shape)
    ):
        problems.append(
            f"frame_shape must be a list [C, H, W] of whole numbers of at least 1, got {_shown(shape)}"
        )
    elif math.prod(shape) * 4 > MAX_FRAME_BYTES:
        problems.append(
            f"a frame must have at most {MAX_FRAME_BYTES:,} bytes in float32, got frame_shape {_shown(shape)}"
        )
    else:
        channels = shape[0]
    problems += _class_names_problems(attributes.get("class_names"))
    if attributes.get("interpolation") != "linear":
        problems.append(f'interpolation must be "linear", got {_shown(attributes.get("interpolation"))}')
    problems += _normalization_problems(attributes.get("normalization"), channels)
    fps = attributes.get("fps")
    if fps is not None and not (_is_number(fps) and fps > 0):
        problems.append(f"fps must be a number above 0 or null, got {_shown(fps)}")
    if not isinstance(attributes.get("provenance", {}), dict | None):
        problems.append(f"provenance must be an object, got {_shown(attributes['provenance'])}")
    problems += _encoding_problems(attributes.get("frame_encoding"), None if channels is None else shape)
    return problems + _native_problems(attributes.get(NATIVE))


def _check_encoding_known(attributes: dict[str, Any], path: object) -> None:
    about = attributes.get("frame_encoding")
    name = about.get("name") if isinstance(about, dict) else None
    if isinstance(name, str) and name not in FRAME_ENCODINGS:
        raise NewerFormatError(
            f"{path} has key frames encoded as {_shown(name)}, but this version of dfs-store reads only "
            f"{', '.join(FRAME_ENCODINGS)}; upgrade dfs-store (pip install --upgrade dfs-store) to read it"
        )


def _encoding_problems(value: object, shape: list[int] | None) -> list[str]:
    if value is None:
        return []
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str) or name not in FRAME_ENCODINGS:
        return [f'frame_encoding must be null or {{"name": string, "unit": string}}, got {_shown(value)}']
    problems = []
    if value.get("unit") != FRAME_ENCODINGS[name]:
        problems.append(
            f"the unit of frame_encoding {name} must be {FRAME_ENCODINGS[name]!r}, "
            f"got {_shown(value.get('unit'))}"
        )
    if shape is not None and shape[0] != CODED_CHANNELS:
        problems.append(f"encoded frames must have {CODED_CHANNELS} channels (RGB), got {shape[0]}")
    if shape is not None and max(shape[1:]) > MAX_CODED_SIDE:
        problems.append(
            f"encoded frames must have at most {MAX_CODED_SIDE} rows and columns, got shape {shape}"
        )
    return problems


def _class_names_problems(names: object) -> list[str]:
    if not isinstance(names, list) or not names:
        return [f"class_names must be a list of at least one name, got {_shown(names)}"]
    for name in names:
        if not isinstance(name, str) or not name:
            return [f"class_names must be non-empty strings, got {_shown(name)}"]
    if len(set(names)) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        return [f"class_names must be unique, got {_shown(twice)} twice"]
    return []


def _normalization_problems(value: object, channels: int | None) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, dict) or not {"mean", "std"} <= value.keys():
        return [f'normalization must be null or {{"mean": [...], "std": [...]}}, got {_shown(value)}']
    for key in ("mean", "std"):
        numbers = value[key]
        if not (isinstance(numbers, list) and all(_is_number(number) for number in numbers)):
            return [f"normalization {key} must be a list of finite numbers, got {_shown(numbers)}"]
        if channels is not None and len(numbers) != channels:
            return [f"normalization {key} must have one number per channel ({channels}), got {len(numbers)}"]
    if not all(number > 0 for number in value["std"]):
        return [f"normalization std must be above 0, got {_shown(value['std'])}"]
    return []


def _native_problems(value: object) -> list[str]:
    if value is None:
        return []
    arrays = value.get("arrays") if isinstance(value, dict) else None
    if (
        not isinstance(arrays, dict)
        or not isinstance(value, dict)
        or not isinstance(value.get("method"), str)
    ):
        return [f'native must be null or {{"method": string, "arrays": {{...}}}}, got {_shown(value)}']
    for name, about in arrays.items():
        if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
            return [f"names of native arrays must consist of a-z, 0-9 and _, got {_shown(name)}"]
        if not (
            isinstance(about, dict)
            and isinstance(about.get("dtype"), str)
            and isinstance(about.get("shape"), list)
            and 0 < len(about["shape"]) <= MAX_SIDES
            and all(_is_int(side) and 0 < side < 2**63 for side in about["shape"])
            and _is_int(about.get("checksum"))
        ):
            return [
                f"native array {name} must have a dtype, a shape of 1 to {MAX_SIDES} whole numbers of at "
                f"least 1, and a checksum, got {_shown(about)}"
            ]
    return []


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
