"""Small stores for the tests of the loaders."""

from pathlib import Path

import numpy as np
import torch

from dfs_store import StoreWriter

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
COUNTS = (2, 5, 8, 1, 3, 2, 4)  # key frames per clip of 8 frames; one clip is dense, one is still


def write_store(
    path,
    *,
    dtype="float32",
    encoding=None,
    counts=COUNTS,
    num_frames=8,
    frame_shape=(3, 6, 5),
    class_names=("run", "jump", "swim"),
    normalization=IMAGENET,
    seed=0,
    overwrite=False,
):
    """Writes clips of random key frames at random positions. Clip i has label i % classes."""
    rng = np.random.default_rng(seed)
    with StoreWriter(
        Path(path),
        num_frames=num_frames,
        frame_shape=frame_shape,
        class_names=list(class_names),
        dtype=None if encoding else dtype,
        encoding=encoding,
        attributes={"normalization": normalization},
        overwrite=overwrite,
    ) as writer:
        for clip, count in enumerate(counts):
            inner = rng.choice(np.arange(1, num_frames - 1), max(count - 2, 0), replace=False)
            positions = np.sort([0, *inner, num_frames - 1]) if count > 1 else np.array([0])
            key_frames = rng.standard_normal((count, *frame_shape)).astype(np.float32)
            writer.append(key_frames, positions, clip % len(class_names))
    return Path(path)


def assert_same(found, expected):
    """Compares clips up to the rounding of float32."""
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
