"""What a store costs, counted by named formulas."""

import math
from dataclasses import asdict, dataclass

from dfs_store.format.spec import frame_size_bytes

__all__ = ["StorageReport", "count_storage"]


@dataclass(frozen=True, kw_only=True)
class StorageReport:
    """Sizes of a store in bytes. S key frames of shape (C, H, W), N clips of T frames.

    Attributes:
        num_key_frames: S.
        key_frame_bytes: S*C*H*W*itemsize of the stored dtype, before any compression.
        float32_bytes: S*C*H*W*4, the rule of the paper's Table 2.
        index_bytes: all other arrays of the format together.
        dense_bytes: N*T*C*H*W*4, the same clips with every frame stored as float32.
        on_disk_bytes: what the file, or all files of the directory, hold.
        native_bytes: arrays in the group `native` (methods that are not key frames), else None.
    """

    num_key_frames: int
    key_frame_bytes: int
    float32_bytes: int
    index_bytes: int
    dense_bytes: int
    on_disk_bytes: int
    native_bytes: int | None = None

    @property
    def percent_of_dense(self) -> float:
        """Stored key frames and their index, in percent of `dense_bytes`."""
        return 100 * (self.key_frame_bytes + self.index_bytes) / self.dense_bytes

    def to_json(self) -> dict[str, int | None]:
        """Returns the fields as a JSON object, in their order."""
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
) -> StorageReport:
    """Counts a store, or forecasts one that is not written yet.

    Args:
        num_key_frames: S.
        num_clips: N.
        num_frames: T.
        frame_shape: (C, H, W).
        dtype: "float32", "float16" or "uint8".
        index_bytes: bytes of all small arrays.
        on_disk_bytes: bytes of all files.
        native_bytes: bytes of the arrays in the group `native`, if there is one.
    """
    return StorageReport(
        num_key_frames=num_key_frames,
        key_frame_bytes=num_key_frames * frame_size_bytes(frame_shape, dtype),
        float32_bytes=num_key_frames * frame_size_bytes(frame_shape, "float32"),
        index_bytes=index_bytes,
        dense_bytes=num_clips * num_frames * math.prod(frame_shape) * 4,
        on_disk_bytes=on_disk_bytes,
        native_bytes=native_bytes,
    )
