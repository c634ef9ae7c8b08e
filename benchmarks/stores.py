"""The stores that the loading benchmarks read: random key frames, two to five per clip."""

import numpy as np

from dfs_store import StoreWriter

COUNTS, SHARES = (2, 3, 4, 5), (0.4, 0.35, 0.2, 0.05)  # 2.9 key frames per clip


def write_store(path, num_clips, num_frames, frame_shape, dtype="float32", num_classes=8):
    rng = np.random.default_rng(0)
    names = [f"class {label}" for label in range(num_classes)]
    settings = {"num_frames": num_frames, "frame_shape": frame_shape, "class_names": names, "dtype": dtype}
    with StoreWriter(path, **settings) as writer:
        for clip, count in enumerate(rng.choice(COUNTS, num_clips, p=SHARES)):
            inner = rng.choice(np.arange(1, num_frames - 1), count - 2, replace=False)
            positions = np.sort([0, *inner, num_frames - 1])
            key_frames = rng.standard_normal((count, *frame_shape), dtype=np.float32)
            writer.append(key_frames, positions, clip % num_classes)
