"""Clips to draw."""

import numpy as np

from dfs_store.pictures import PicturedClip


def clip(positions, inserted_at=None, *, num_frames=8, height=20, width=30, value=200, name="walking"):
    """Returns a clip of a single grey, (T, H, W, 3)."""
    return PicturedClip(
        np.full((num_frames, height, width, 3), value, np.uint8),
        np.array(positions),
        None if inserted_at is None else np.array(inserted_at, np.int32),
        name,
        "clip 0",
    )


def tiles(sheet, colour):
    """Returns the number of separate areas of a colour in a picture."""
    mask = (np.asarray(sheet) == np.array(colour, np.uint8)).all(-1)
    labels = np.zeros(mask.shape, int)
    count = 0
    for start in map(tuple, np.argwhere(mask)):
        if labels[start]:
            continue
        count += 1
        todo = [start]
        while todo:
            y, x = todo.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and not labels[y, x]:
                labels[y, x] = count
                todo += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return count
