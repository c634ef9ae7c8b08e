"""Real clips for a rehearsal, which estimates the duration of a run before any clips are prepared."""

import tempfile
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.errors import EmptyClassError
from dfs_store.videos.cache.prepare import PrepareProgress, prepare, prepared
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.cliplist import ClipFile, ClipList
from dfs_store.videos.files.hold_out import group_of_file
from dfs_store.videos.files.reading import PathLike
from dfs_store.videos.opening import dataset_name, describe, find_clips, open_videos, resolve_sampling
from dfs_store.videos.sources import NeverDecoded

if TYPE_CHECKING:
    from dfs_store.videos.dataset import VideoDataset

__all__ = ["Rehearsal", "rehearse"]

_DECODED = 8


class Rehearsal(NamedTuple):
    """Real clips for timing a run.

    Attributes:
        videos: the prepared clips or, if they are not prepared, a substitute with the same shape, number of
            clips, classes and files, in which all clips have the same pixels.
        decoding_seconds: approximate time to prepare the clips, in seconds; None if they are prepared.
    """

    videos: "VideoDataset"
    decoding_seconds: float | None


def rehearse(
    name_or_folder: PathLike,
    split: str = "train",
    *,
    frames: int | None = None,
    stride: int | None = None,
    size: int | None = None,
    seed: int = 0,
    random_starts: int = 0,
    max_memory: int | None = None,
    decoder: str = "auto",
    **chosen: Any,  # noqa: ANN401 - options of `find_clips`
) -> Rehearsal:
    """Returns the clips that `open_videos` would return, or substitutes for them, without preparing any.

    If the clips are not prepared, eight videos spread over the dataset are decoded into a temporary folder to
    measure how long decoding takes. The cache does not change.

    Raises:
        DatasetNotFoundError, EmptyClassError, SettingsError: see `open_videos`.
    """
    info = describe(name_or_folder)
    cut: dict[str, Any] = {"frames": frames, "stride": stride, "size": size}
    sampling = resolve_sampling(info, **cut)
    if info.is_built_in:
        return Rehearsal(open_videos(name_or_folder, split=split, seed=seed, **cut, **chosen), None)
    found = find_clips(name_or_folder, split=split, **chosen)
    how: dict[str, Any] = {"split": split, "seed": seed, "random_starts": random_starts, "decoder": decoder}
    name = dataset_name(info, name_or_folder)
    if prepared(found, sampling, dataset=name, **how) is not None:
        return Rehearsal(open_videos(name_or_folder, **how, **cut, **chosen), None)
    from dfs_store.videos.dataset import VideoDataset

    alike = VideoDataset(
        _AlikeClips(found, sampling, info.layout),
        name=name,
        split=split,
        sampling=sampling,
        seed=seed,
        metric=info.metric,
        official_split=chosen.get("official_split") if info.official_splits > 1 else None,
    )
    return Rehearsal(alike, _decoding_seconds(found, sampling, max_memory=max_memory, **how))


def _decoding_seconds(
    found: ClipList,
    sampling: Sampling,
    **how: Any,  # noqa: ANN401 - passed on
) -> float:
    """Returns the approximate time in seconds to decode all videos; 0 if none of a sample can be decoded."""
    numbers = np.unique(np.linspace(0, len(found.clips) - 1, _DECODED).round().astype(int))
    # All videos get the same class, because a class without clips would raise an error.
    some = [ClipFile(found.clips[number].file, "all") for number in numbers.tolist()]
    seen: list[PrepareProgress] = []
    with tempfile.TemporaryDirectory(prefix="dfs-rehearsal-") as cache:
        try:
            prepare(
                replace(found, clips=some, classes=["all"]),
                sampling,
                dataset="rehearsal",
                cache_dir=cache,
                on_progress=seen.append,
                **how,
            )
        except EmptyClassError:
            return 0.0
    # The time of the first video includes the start of the decoding processes.
    first, last = next(each for each in seen if each.done), seen[-1]
    each = (last.elapsed_seconds - first.elapsed_seconds) / max(1, last.done - first.done)
    return first.elapsed_seconds + each * (len(found.clips) - first.done)


class _AlikeClips(NeverDecoded):
    """Provides the same clip of noise for every video, since the duration of a run does not depend on pixels.

    Args:
        found: the videos.
        sampling: sampling of the clips.
        layout: layout of the dataset, see `DatasetInfo`.
    """

    fps = 25.0

    def __init__(self, found: ClipList, sampling: Sampling, layout: str) -> None:
        self._found, self._sampling, self._layout = found, sampling, layout

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        size = self._sampling.size
        noise = np.random.default_rng(0).integers(0, 256, (self._sampling.frames, size, size, 3), np.uint8)
        return np.broadcast_to(noise, (len(self._found.clips), 1, *noise.shape))

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        return np.array(self._found.labels, dtype=np.int64)

    @property
    def classes(self) -> list[str]:
        return list(self._found.classes)

    def origin(self, number: int) -> dict[str, Any]:
        return {"file": self._found.clips[number].file}

    def file_bytes(self, number: int) -> tuple[str, int | None]:
        return self._found.clips[number].file, None

    def group(self, number: int) -> str:
        clip = self._found.clips[number]
        return group_of_file(self._layout, clip.class_name, clip.file)
