"""Tables that describe a store, for the report and for commands. Does not import torch."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.format import KeyFrameStore

__all__ = ["class_counts", "key_frames_per_clip", "storage_rows"]


def class_counts(store: KeyFrameStore) -> list[tuple[str, int, int]]:
    """Returns the name, number of clips and number of key frames of each class."""
    number = len(store.class_names)
    clips = np.bincount(store.labels, minlength=number)
    keys = np.bincount(store.labels, weights=np.diff(store.offsets), minlength=number).astype(np.int64)
    return list(zip(store.class_names, clips.tolist(), keys.tolist(), strict=True))


def key_frames_per_clip(offsets: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Returns the minimum, mean, maximum and histogram of key frames per clip, given the offsets (N+1,)."""
    counts = np.diff(offsets)
    numbers, clips = np.unique(counts, return_counts=True)
    return {
        "min": int(counts.min()),
        "mean": float(counts.mean()),
        "max": int(counts.max()),
        "histogram": dict(zip(map(str, numbers.tolist()), clips.tolist(), strict=True)),
    }


def storage_rows(store: KeyFrameStore) -> list[tuple[str, int, str]]:
    """Returns the name, size in bytes and formula of each part of a store's storage whose size is known."""
    sizes = store.storage.to_json()
    frame = "x".join(map(str, store.frame_shape))
    keys = f"{int(store.offsets[-1]):,} x {frame}"
    dense = f"{len(store):,} x {store.num_frames}x{frame}"
    encoding = store.attributes.get("frame_encoding")
    stored = store.dtype if encoding is None else f"as {encoding['name']}, one file per {encoding['unit']}"
    rows = (
        ("key frames", "key_frame_bytes", f"{keys} {stored}"),
        ("as float32", "float32_bytes", f"{keys} x 4, the paper's rule (its MB are MiB)"),
        ("index", "index_bytes", "positions, offsets, labels, checksums and other small arrays"),
        ("on disk", "on_disk_bytes", "all files"),
        ("dense float32", "dense_bytes", f"{dense} x 4"),
        ("dense uint8", "dense_uint8_bytes", dense),
        ("real videos", "source_bytes", "the files that these clips were made from"),
        ("native arrays", "native_bytes", "arrays that the method needs besides key frames"),
        ("soft labels", "soft_label_bytes", "a teacher's logits, clips x classes x 2"),
    )
    return [(name, size, formula) for name, key, formula in rows if (size := sizes[key]) is not None]
