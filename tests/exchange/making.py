"""Creates small stores of smooth moving images for the tests of exports and imports."""

import numpy as np

from dfs_store.format import StoreWriter

NORMALIZATION = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def smooth_pixels(num_frames=4, height=60, width=60, *, seed=0):
    """Returns a clip (T, 3, H, W) in [0, 1] of moving coloured waves, smooth like a real video."""
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    times, rows, columns = np.meshgrid(
        np.arange(num_frames), np.arange(height), np.arange(width), indexing="ij"
    )
    waves = [np.sin(rows / 9 + phase) * np.cos(columns / 7 + phase - times / 3) for phase in phases]
    return np.stack(waves, axis=1) * 0.4 + 0.5


def write_smooth_store(
    path, *, class_names=("left", "right"), clips_per_class=2, num_frames=4, size=(60, 60), **options
):
    """Writes a store of dense smooth clips, normalised for ImageNet, and returns its path."""
    mean, std = (np.array(NORMALIZATION[key])[:, None, None] for key in ("mean", "std"))
    attributes = {
        "normalization": NORMALIZATION,
        "fps": 6.25,
        "provenance": {"method": "random", "dataset": "waves", "vpc": clips_per_class, "seed": 1},
    } | options.pop("attributes", {})
    with StoreWriter(
        path,
        num_frames=num_frames,
        frame_shape=(3, *size),
        class_names=list(class_names),
        attributes=attributes,
        **options,
    ) as writer:
        for label in range(len(class_names)):
            for number in range(clips_per_class):
                pixels = smooth_pixels(num_frames, *size, seed=10 * label + number)
                writer.append(((pixels - mean) / std).astype(np.float32), np.arange(num_frames), label)
    return path


def pixels_of(store, clip):
    """Returns the pixels of a store's clip by the formula in docs/format.md, (T, H, W, 3) uint8."""
    values = store.clip(clip).astype(np.float64)
    if store.normalization:
        mean, std = (np.array(store.normalization[key])[:, None, None] for key in ("mean", "std"))
        values = values * std + mean
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
