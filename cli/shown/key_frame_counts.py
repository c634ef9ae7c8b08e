"""Statistics of the key frames per clip, which `inspect` and `condense` print."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def key_frames_per_clip(offsets: "npt.NDArray[np.int64]") -> dict[str, Any]:
    """Returns min, mean, max and a histogram (number of clips by key frames) from offsets, (N+1,)."""
    import numpy as np

    counts = np.diff(offsets)
    numbers, clips = np.unique(counts, return_counts=True)
    return {
        "min": int(counts.min()),
        "mean": float(counts.mean()),
        "max": int(counts.max()),
        "histogram": {str(n): int(c) for n, c in zip(numbers, clips, strict=True)},
    }
