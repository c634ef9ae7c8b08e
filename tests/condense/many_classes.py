"""Real clips with as many classes as MiniUCF, so small that tests are fast."""

import numpy as np

from dfs_store import open_videos
from dfs_store.videos import VideoDataset
from dfs_store.videos.sources import SomeClips


class _Relabelled(SomeClips):
    """Clips of moving-shapes, relabelled as more classes than the dataset has."""

    def __init__(self, source, num_classes):
        super().__init__(source, np.arange(num_classes * 4) % len(source.labels))
        self._num_classes = num_classes
        self.classes = [f"class {number:03d}" for number in range(num_classes)]

    @property
    def labels(self):
        return np.repeat(np.arange(self._num_classes), 4)


def many_classes(num_classes=50, *, frames=4, size=43):
    """Returns a dataset with four clips in every class."""
    videos = open_videos("moving-shapes", frames=frames, size=size, clips_per_class=6)
    source = _Relabelled(videos._source, num_classes)
    return VideoDataset(source, name="many", split="train", sampling=videos.sampling, seed=0)
