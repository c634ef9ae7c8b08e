"""Matches the labels and the number of frames of real clips to those of a store. Does not import torch."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.interpolation import neighbours, rebuild, resample_times
from dfs_store.names import some
from dfs_store.videos.sources import PixelSource, SomeClips

__all__ = ["MatchedClips"]


class MatchedClips(SomeClips):
    """Provides the clips of a source with different labels and a different number of frames.

    Args:
        source: the source of the clips.
        classes: class names of the source, in the order of the new labels.
        num_frames: M, see `VideoDataset.matched`.

    Raises:
        SettingsError: `classes` differ from the classes of the source.
    """

    def __init__(self, source: PixelSource, classes: Sequence[str], num_frames: int) -> None:
        if sorted(classes) != sorted(source.classes):
            raise SettingsError(
                f"the real clips and the store must have the same classes, but the real clips have "
                f"{len(source.classes)} ({some(source.classes, 3)}) and the store has {len(classes)} "
                f"({some(classes, 3)})"
            )
        super().__init__(source, np.arange(len(source.labels)))
        self.classes, self._num_frames = list(classes), num_frames
        own = int(source.pixels.shape[2])
        self.fps = source.fps * max(1, num_frames - 1) / (own - 1)  # the duration does not change

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Pixels of all clips, (N, V, M, H, W, 3) uint8, read and resampled when they are indexed."""
        return cast("npt.NDArray[np.uint8]", _Resampled(self._source.pixels, self._num_frames))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each clip, an index into the new classes, (N,) int64."""
        numbers = np.array([self.classes.index(name) for name in self._source.classes], dtype=np.int64)
        return numbers[self._source.labels]


class _Resampled:
    """Resamples the clips of an array (N, V, T, ...) to M frames when they are indexed by clip and view."""

    def __init__(self, array: npt.NDArray[np.uint8], num_frames: int) -> None:
        self._array = array
        self._near = neighbours(
            np.arange(array.shape[2]),
            array.shape[2],
            times=resample_times(array.shape[2], num_frames),
        )
        self.shape = (*array.shape[:2], num_frames, *array.shape[3:])

    @property
    def nbytes(self) -> int:
        """Size of all clips in bytes."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401 - any NumPy index
        if isinstance(key, tuple) and len(key) > 2:
            raise IndexError(f"resampled clips must be indexed by clip and view, got {len(key)} indices")
        found = self._array[key]
        if len(found) == 0 and found.ndim > 4:
            return np.empty((*found.shape[:-4], *self.shape[2:]), np.uint8)
        clips = found.reshape(-1, *found.shape[-4:])
        made = [rebuild(clip.astype(np.float32), self._near) for clip in clips]
        rounded = np.rint(np.stack(made)).astype(np.uint8)
        return rounded.reshape(*found.shape[:-4], *self.shape[2:])
