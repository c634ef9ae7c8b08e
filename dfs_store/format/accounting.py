"""Computes the storage cost of existing and planned stores."""

import math
from dataclasses import asdict, dataclass

import numpy as np

from dfs_store.format.checks.rules import expected_shape
from dfs_store.format.spec import SMALL_ARRAYS, frame_size_bytes

__all__ = ["StorageReport", "count_index", "count_storage", "key_frames_within"]


@dataclass(frozen=True, kw_only=True)
class StorageReport:
    """Sizes in bytes of a store with S key frames of shape (C, H, W) and N clips of T frames.

    Attributes:
        num_key_frames: number of key frames, S.
        key_frame_bytes: size of the key frames: S*C*H*W*itemsize of the stored dtype, before any compression,
            or the size of the image files if key frames are encoded.
        float32_bytes: size of the key frames in float32, S*C*H*W*4, as in the paper's Table 2.
        index_bytes: size of all small arrays except soft labels.
        dense_bytes: N*T*C*H*W*4, the size of the same clips with every frame stored as float32.
        dense_uint8_bytes: N*T*C*H*W, the size of the same clips with every frame stored as uint8.
        on_disk_bytes: size of the file, or of all files in the folder.
        native_bytes: size of the native arrays of methods that need them; None if there are none.
        method_bytes: size of the data that the method needs: `native_bytes` if there are native arrays,
            otherwise `key_frame_bytes` plus `soft_label_bytes`, if any.
        source_bytes: size of the real videos that the clips were made from; None if unknown.
        soft_label_bytes: size of the soft labels, N*classes*2; None if there are none.
    """

    num_key_frames: int
    key_frame_bytes: int
    float32_bytes: int
    index_bytes: int
    dense_bytes: int
    dense_uint8_bytes: int
    on_disk_bytes: int
    native_bytes: int | None
    method_bytes: int
    source_bytes: int | None
    soft_label_bytes: int | None = None

    @property
    def method_arrays(self) -> str:
        """What `method_bytes` counts: "key frames", "key frames and soft labels" or "native arrays"."""
        if self.native_bytes is not None:
            return "native arrays"
        return "key frames and soft labels" if self.soft_label_bytes else "key frames"

    @property
    def shares_text(self) -> str:
        """`method_bytes` as percentages of the sizes of the dense clips and the source videos, as text."""
        wholes = (
            ("dense float32", self.dense_bytes),
            ("dense uint8", self.dense_uint8_bytes),
            ("the source videos", self.source_bytes),
        )
        return ", ".join(
            f"{100 * self.method_bytes / whole:.1f} % of {name}" for name, whole in wholes if whole
        )

    def to_json(self) -> dict[str, int | None]:
        """Returns the fields as a JSON object, in the order of their declaration."""
        return asdict(self)


def count_storage(
    *,
    num_key_frames: int,
    num_clips: int,
    num_frames: int,
    frame_shape: tuple[int, ...],
    dtype: str,
    index_bytes: int,
    on_disk_bytes: int,
    native_bytes: int | None = None,
    source_bytes: int | None = None,
    coded_bytes: int | None = None,
    soft_label_bytes: int | None = None,
) -> StorageReport:
    """Computes the storage cost of a store, which need not exist yet.

    The store has `num_clips` clips of `num_frames` frames of shape `frame_shape`, (C, H, W). Its key frames
    are stored as `dtype`. `coded_bytes` is the size of the key frames' image files, or None if they are not
    encoded. The other arguments are described in `StorageReport`.
    """
    key_frame_bytes = coded_bytes
    if key_frame_bytes is None:
        key_frame_bytes = num_key_frames * frame_size_bytes(frame_shape, dtype)
    dense_uint8_bytes = num_clips * num_frames * math.prod(frame_shape)
    return StorageReport(
        num_key_frames=num_key_frames,
        key_frame_bytes=key_frame_bytes,
        float32_bytes=num_key_frames * frame_size_bytes(frame_shape, "float32"),
        soft_label_bytes=soft_label_bytes,
        index_bytes=index_bytes,
        dense_bytes=4 * dense_uint8_bytes,
        dense_uint8_bytes=dense_uint8_bytes,
        on_disk_bytes=on_disk_bytes,
        native_bytes=native_bytes,
        method_bytes=key_frame_bytes + (soft_label_bytes or 0) if native_bytes is None else native_bytes,
        source_bytes=source_bytes,
    )


def count_index(
    num_key_frames: int,
    num_clips: int,
    num_channels: int,
    dtype: str,
    *,
    with_steps: bool = False,
    encoding: str | None = None,
) -> int:
    """Returns `index_bytes`, the size in bytes of all small arrays of a store except soft labels.

    Args:
        num_key_frames: number of key frames, S.
        num_clips: number of clips, N.
        num_channels: number of channels, C.
        dtype: dtype of the key frames.
        with_steps: whether the store contains `inserted_at`.
        encoding: name of the key frames' encoding; None if they are not encoded.
    """
    absent = {"soft_labels"} if with_steps else {"soft_labels", "inserted_at"}
    absent |= set() if dtype == "uint8" else {"scale", "zero"}
    absent |= {"coded_offsets"} if encoding is None else set()
    return sum(
        math.prod(expected_shape(name, num_key_frames, num_clips, num_channels, encoding))
        * np.dtype(stored).itemsize
        for name, stored in SMALL_ARRAYS.items()
        if name not in absent
    )


def key_frames_within(
    budget_bytes: int,
    num_clips: int,
    frame_shape: tuple[int, int, int],
    dtype: str,
    *,
    with_steps: bool = False,
) -> int:
    """Returns how many key frames fit into a budget in bytes, together with their index.

    The budget covers `key_frame_bytes` and `index_bytes` of `StorageReport`, but not the attributes.
    """
    fixed, one = (
        count_index(number, num_clips, frame_shape[0], dtype, with_steps=with_steps) for number in (0, 1)
    )
    return max(0, (budget_bytes - fixed) // (one - fixed + frame_size_bytes(frame_shape, dtype)))
