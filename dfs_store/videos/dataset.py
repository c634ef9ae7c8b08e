"""Real clips as a map-style dataset: uint8 pixels memory-mapped from the cache, normalised on access."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dfs_store.errors import SettingsError
from dfs_store.format.spec import IMAGENET
from dfs_store.loaders.normalization import PIXELS, ValueSpace, parse_normalization, stored_space
from dfs_store.loaders.rebuild import Layout
from dfs_store.loaders.transforms import transform_clip
from dfs_store.names import counted
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.hold_out import held_out_groups
from dfs_store.videos.matched import MatchedClips
from dfs_store.videos.sources import PixelSource, SomeClips

__all__ = ["ClipForm", "VideoDataset", "VideoNormalization"]

Transform = Callable[[Any], Any]
VideoNormalization = Literal["imagenet"] | ValueSpace


class ClipForm:
    """Converts the pixels of a clip to the tensor that `dataset[i]` returns.

    Args:
        layout: "CTHW" or "TCHW".
        normalization: see `open_videos`.
        transform: called with each clip as `torchvision.tv_tensors.Video` (T, C, H, W), as in `DFSDataset`.

    Attributes:
        layout: "CTHW" or "TCHW".
        normalization: {"mean": [3 floats], "std": [3 floats]}, or None for pixels in [0, 1].

    Raises:
        SettingsError: an argument is invalid.
    """

    def __init__(
        self,
        layout: Layout = "CTHW",
        normalization: VideoNormalization = "imagenet",
        transform: Transform | None = None,
    ) -> None:
        if layout not in get_args(Layout):
            raise SettingsError(f'layout must be "CTHW" or "TCHW", got {layout!r}')
        space = parse_normalization(normalization, 3, "imagenet")
        space = stored_space(IMAGENET) if space == "stored" else space
        self.layout: Layout = layout
        self.normalization = None if space is None else space.as_dict()
        self._transform = transform

    def clip(self, pixels: Tensor) -> Tensor:
        """Converts a clip, (T, H, W, 3) uint8, to normalised float32 in the layout."""
        channels_first = self.layout == "CTHW"
        clip = pixels.permute((3, 0, 1, 2) if channels_first else (0, 3, 1, 2)).float().div_(255.0)
        space = stored_space(self.normalization) or PIXELS
        mean, std = (
            torch.tensor(part).view((-1, 1, 1, 1) if channels_first else (-1, 1, 1)) for part in space
        )
        return clip.sub_(mean).div_(std).contiguous()

    def transformed(self, clip: Tensor) -> Tensor:
        """Applies the transform, if there is one, to a clip in the layout."""
        return clip if self._transform is None else transform_clip(self._transform, clip, self.layout)


class VideoDataset(Dataset[tuple[Tensor, int]]):
    """Clips of real videos, or of a built-in dataset, with their labels. Created by `open_videos`.

    ``dataset[i]`` is ``(clip, label)``. The clip is view 0 of clip i as float32 (C, T, H, W) or
    (T, C, H, W), normalised and then transformed as in `DFSDataset`. The label is an int. A pickled dataset
    contains only a path and a few settings, not the pixels.

    Attributes:
        name: name of the dataset, or the path of its folder or list.
        split: "train" or "test".
        classes: class names; label i is classes[i].
        class_to_idx: label of each class name.
        targets: label of each clip as an int, as in torchvision.
        labels: label of each clip, (N,) int64.
        sampling: how the clips were cut from their videos.
        seed: seed of the random starts.
        fps: frames per second at which a clip plays at its natural speed.
        missing: files named in the dataset's lists that do not exist.
        remarks: sentences on how the dataset's folders or lists were interpreted, and what was skipped.
        failed: files that could not be decoded, as {"file", "reason"}.
        notes: damaged files, which are used up to the last frame that can be decoded, as {"file", "note"}.
        decoders: number of clips by decoder.
        layout: "CTHW" or "TCHW".
        normalization: {"mean": [3 floats], "std": [3 floats]}, or None for pixels in [0, 1].
        metric: "top1" or "top5", the score that the paper reports for this dataset.
        part: "all", or a description of the part that `hold_out` returned.
        official_split: number of the official split; None if the dataset has only one.
        held_out: the held-out share if this is the held-out part, otherwise None.
    """

    def __init__(
        self,
        source: PixelSource,
        *,
        name: str,
        split: str,
        sampling: Sampling,
        seed: int,
        metric: str = "top1",
        missing: list[str] | None = None,
        remarks: list[str] | None = None,
        part: str = "all",
        official_split: int | None = None,
        held_out: float | None = None,
        form: ClipForm | None = None,
    ) -> None:
        self._form = form or ClipForm()
        self.layout, self.normalization = self._form.layout, self._form.normalization
        self.name = name
        self.split = split
        self.sampling = sampling
        self.seed = seed
        self.metric = metric
        self.missing = missing or []
        self.remarks = remarks or []
        self.part = part
        self.official_split = official_split
        self.held_out = held_out
        self._take(source)

    def _take(self, source: PixelSource) -> None:
        """Sets the attributes that depend on the source of the clips."""
        self._source = source
        self.classes = source.classes
        self.class_to_idx = {class_name: label for label, class_name in enumerate(self.classes)}
        self.labels: npt.NDArray[np.int64] = source.labels
        self.targets: list[int] = self.labels.tolist()
        self.fps = source.fps
        self.failed = source.failed
        self.notes = source.notes
        self.decoders = source.decoders

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """All clips, (N, V, T, H, W, 3) uint8 RGB. Memory-mapped read-only from the cache for real videos."""
        return self._source.pixels

    @property
    def num_frames(self) -> int:
        """T, the number of frames per clip."""
        return int(self.pixels.shape[2])

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of a frame, (3, H, W)."""
        return 3, int(self.pixels.shape[3]), int(self.pixels.shape[4])

    @property
    def num_views(self) -> int:
        """V, the number of views per clip: 1, plus the number of additional random starts of test clips."""
        return int(self.pixels.shape[1])

    @property
    def cache_path(self) -> Path | None:
        """Folder of the clips in the cache; None for built-in datasets."""
        return self._source.directory

    def source(self, number: int) -> dict[str, Any]:
        """Returns where a clip came from: {"file", "frames"}, or {"generator", "seed", "clip"}."""
        return self._source.origin(self._checked(number))

    def source_bytes(self, numbers: Sequence[int] | None = None) -> int | None:
        """Returns the total size in bytes of the video files that clips were cut from, each counted once.

        Args:
            numbers: clip numbers; all clips if None.

        Returns:
            The size; None if the clips were generated, or if the size of a file is unknown.
        """
        chosen = range(len(self)) if numbers is None else numbers
        sizes = dict(self._source.file_bytes(self._checked(number)) for number in chosen)
        known = [size for size in sizes.values() if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def clip(self, number: int, view: int = 0) -> Tensor:
        """Returns one view of a clip as normalised float32 in the layout, without the transform.

        Raises:
            IndexError: there is no such clip or view.
        """
        return self._form.clip(torch.from_numpy(np.array(self.pixels[self._checked(number), view])))

    def hold_out(self, share: float) -> "tuple[VideoDataset, VideoDataset]":
        """Splits the clips into a part to condense or train on, and a held-out part for choosing settings.

        Whole groups of clips are held out (see `dfs_store.videos.files.hold_out`): all clips of a UCF101
        group, or all clips cut from the same HMDB51 source video. Both parts have the same classes.

        Args:
            share: approximate fraction of every class's groups to hold out, between 0 and 1.

        Returns:
            The remaining clips, and the held-out clips.

        Raises:
            SettingsError: the share is not between 0 and 1, or a class has only one group.
        """
        groups = np.array([self._source.group(number) for number in range(len(self))], dtype=object)
        held = np.zeros(len(self), dtype=np.bool_)
        for label, name in enumerate(self.classes):
            members = np.flatnonzero(self.labels == label)
            chosen = held_out_groups(name, groups[members], share)
            held[members] = [group in chosen for group in groups[members]]
        rest = self._some(np.flatnonzero(~held), f"without {share:g} held out", None)
        return rest, self._some(np.flatnonzero(held), f"{share:g} held out", share)

    def subset(self, numbers: npt.NDArray[np.int64]) -> "VideoDataset":
        """Returns a dataset with some of the clips, sorted by clip number. Their pixels are not copied.

        Args:
            numbers: (M,) int64, clip numbers in any order.
        """
        return self._some(np.sort(numbers), self.part, self.held_out)

    def matched(self, classes: Sequence[str], num_frames: int) -> "VideoDataset":
        """Returns the same clips with different labels and a different number of frames.

        Args:
            classes: the class names of this dataset, in the order of the new labels.
            num_frames: M. The frames are spaced evenly from the first to the last one, interpolated linearly
                and rounded to uint8.

        Raises:
            SettingsError: `classes` differ from the classes of this dataset.
        """
        if list(classes) == self.classes and num_frames == self.num_frames:
            return self
        return self._with(MatchedClips(self._source, classes, num_frames))

    def _some(self, numbers: npt.NDArray[np.int64], part: str, held_out: float | None) -> "VideoDataset":
        made = self._with(SomeClips(self._source, numbers))
        made.part, made.held_out = part, held_out
        return made

    def _with(self, source: PixelSource) -> "VideoDataset":
        made = copy.copy(self)
        made._take(source)
        return made

    def _checked(self, number: int) -> int:
        if not -len(self) <= number < len(self):
            raise IndexError(
                f"clip number {number} is not in {-len(self)}..{len(self) - 1}; the dataset has "
                f"{counted(len(self), 'clip')}"
            )
        return number % len(self)

    def __len__(self) -> int:
        return int(self.labels.size)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        return self._form.transformed(self.clip(number)), self.targets[number]

    def __repr__(self) -> str:
        frames, size = self.num_frames, self.frame_shape[1]
        clips, views = counted(len(self), "clip"), counted(self.num_views, "view")
        return (
            f"VideoDataset({self.name!r}, split={self.split!r}, {clips} of {frames}x{size}x{size}, "
            f"{counted(len(self.classes), 'class')}, {views})"
        )
