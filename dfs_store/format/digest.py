"""Computes the CRC-32C of each stored frame, and the SHA-256 of the attributes and all other arrays."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.format.spec import CODED, FRAMES, SMALL_ARRAYS

__all__ = ["canonical_json", "compute_content_digest", "compute_digest", "frame_checksums"]

CONTENT_KEYS = (
    "class_names", "frame_encoding", "frame_shape", "interpolation", "native", "normalization", "num_frames",
)  # fmt: skip


def canonical_json(value: object) -> bytes:
    """Returns a value as JSON in ASCII, with sorted keys and no spaces. Equal values produce equal bytes.

    Raises:
        ValueError: a number is infinite or NaN, which JSON cannot represent.
        TypeError: a value does not have a JSON type.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def frame_checksums(frames: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Returns the CRC-32C of each stored frame.

    Args:
        frames: frames (K, C, H, W) in a stored dtype, little-endian.

    Returns:
        (K,) uint32.
    """
    contiguous = np.ascontiguousarray(frames)
    return np.array([google_crc32c.value(frame) for frame in contiguous], dtype="<u4")


def compute_digest(
    attributes: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    frames_shape: tuple[int, ...],
    dtype: str,
) -> str:
    r"""Returns the digest of a store, the SHA-256 of its small arrays and attributes.

    docs/format.md specifies the algorithm for other implementations. The input has three parts. The first is
    the line ``<name> <dtype> <shape>\n`` for the large array (key_frames or coded_frames), without its
    values. The second contains, for each small array in the store, in the order of `SMALL_ARRAYS`, a line of
    the same form and the array's little-endian bytes in C order. The third is the canonical JSON of the
    attributes without ``digest``.

    Args:
        attributes: the header of the store.
        arrays: the small arrays in the store, by name.
        frames_shape: (S, C, H, W) of key_frames, or (B,) of coded_frames if the attributes name an encoding.
        dtype: stored dtype of the large array.

    Returns:
        64 lower-case hex digits.

    Raises:
        ValueError: the attributes contain a number that JSON cannot represent.
    """
    name = FRAMES if attributes.get("frame_encoding") is None else CODED
    total = hashlib.sha256(_line(name, dtype, frames_shape))
    for name, stored_dtype in SMALL_ARRAYS.items():
        if name in arrays:
            array = np.ascontiguousarray(arrays[name], dtype=stored_dtype)
            total.update(_line(name, array.dtype.name, array.shape))
            total.update(array.tobytes())
    total.update(canonical_json({key: value for key, value in attributes.items() if key != "digest"}))
    return total.hexdigest()


def compute_content_digest(
    attributes: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    frames_shape: tuple[int, ...],
    dtype: str,
) -> str:
    """Returns a digest of the clips that does not depend on their container or provenance.

    It is computed like `compute_digest`, but only the attributes in `CONTENT_KEYS` are included. Missing
    attributes are treated as null.
    """
    content = {key: attributes.get(key) for key in CONTENT_KEYS}
    return compute_digest(content, arrays, frames_shape, dtype)


def _line(name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    return f"{name} {dtype} {','.join(str(int(side)) for side in shape)}\n".encode("ascii")
