"""Sources of a VideoDataset's pixels: a cache entry or a generator. Does not import torch."""

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DatasetNotFoundError
from dfs_store.names import printable
from dfs_store.videos.cache.entries import CacheEntry
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.hold_out import group_of_file

__all__ = ["CachedClips", "GeneratedClips", "NeverDecoded", "PixelSource", "SomeClips"]


class PixelSource(Protocol):
    """Provides the clips of a VideoDataset. A pickled source contains paths and settings, not pixels."""

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Pixels of all clips, (N, V, T, H, W, 3) uint8."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each clip, (N,) int64."""

    @property
    def classes(self) -> list[str]:
        """Class names, indexed by label."""

    @property
    def fps(self) -> float:
        """Frames per second at which a clip plays at its natural speed."""

    @property
    def failed(self) -> list[dict[str, str]]:
        """Files that could not be decoded."""

    @property
    def notes(self) -> list[dict[str, str]]:
        """Damaged files that were used anyway."""

    @property
    def decoders(self) -> dict[str, int]:
        """Number of clips by decoder."""

    @property
    def directory(self) -> Path | None:
        """Folder of the cache entry, if there is one."""

    def origin(self, number: int) -> dict[str, Any]:
        """Returns where a clip came from."""

    def file_bytes(self, number: int) -> tuple[str, int | None]:
        """Returns the file that a clip was cut from, and its size in bytes if known."""

    def group(self, number: int) -> str:
        """Returns the group of a clip within its class. Clips of one group were cut from one recording."""


class CachedClips:
    """Memory-mapped clips of a complete cache entry.

    Args:
        entry: the cache entry.
        sampling: how the clips were cut.
        layout: layout of the dataset, which determines how groups are read from file names.
    """

    def __init__(self, entry: CacheEntry, sampling: Sampling, layout: str = "") -> None:
        self._entry = entry
        self._sampling = sampling
        self._layout = layout

    def __getstate__(self) -> dict[str, Any]:
        # The receiving process memory-maps the same file.
        return {"_entry": self._entry, "_sampling": self._sampling, "_layout": self._layout}

    @cached_property
    def _index(self) -> dict[str, Any]:
        index = self._entry.read_index()
        if index is None:
            raise DatasetNotFoundError(
                f"the prepared clips in {self._entry.directory} are missing or damaged; open the videos "
                "again to prepare them"
            )
        return index

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Pixels of all clips, (N, V, T, H, W, 3) uint8, memory-mapped read-only."""
        return self._entry.map_clips()

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each clip, (N,) int64."""
        return np.array(self._index["labels"], dtype=np.int64)

    @property
    def classes(self) -> list[str]:
        """Class names, indexed by label."""
        return list(self._index["classes"])

    @property
    def fps(self) -> float:
        """Median frame rate of the videos, divided by the distance between sampled frames."""
        return float(self._index["fps"]) / self._median_step

    @cached_property
    def _frames(self) -> npt.NDArray[np.int64]:
        return self._entry.load_frames()

    @cached_property
    def _median_step(self) -> float:
        steps = (self._frames[:, 0, -1] - self._frames[:, 0, 0]) / (self._sampling.frames - 1)
        return max(float(np.median(steps)), 1.0)

    @property
    def failed(self) -> list[dict[str, str]]:
        """Files that could not be decoded, as {"file", "reason"}."""
        return [{**each, "file": printable(each["file"])} for each in self._index["failed"]]

    @property
    def notes(self) -> list[dict[str, str]]:
        """Damaged files, used up to the last frame that can be decoded, as {"file", "note"}."""
        return [{**each, "file": printable(each["file"])} for each in self._index["notes"]]

    @property
    def decoders(self) -> dict[str, int]:
        """Number of clips by decoder."""
        return dict(self._index["decoders"])

    @property
    def directory(self) -> Path | None:
        """Folder of the cache entry."""
        return self._entry.directory

    def origin(self, number: int) -> dict[str, Any]:
        """Returns {"file": path relative to the root, "frames": frame numbers of view 0}."""
        return {"file": printable(self._index["files"][number]), "frames": self._frames[number, 0].tolist()}

    @cached_property
    def _file_bytes(self) -> dict[str, int]:
        return {name: size for name, _, size, _ in self._entry.read_request().get("files", []) if size >= 0}

    def file_bytes(self, number: int) -> tuple[str, int | None]:
        """Returns the file that a clip was cut from, and its size in bytes when it was prepared."""
        name = str(self._index["files"][number])
        return name, self._file_bytes.get(name)

    def group(self, number: int) -> str:
        """Returns the group of a clip, read from its file's name."""
        class_name = self._index["classes"][self._index["labels"][number]]
        return group_of_file(self._layout, class_name, self._index["files"][number])


_Generated = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str], list[int]]
_KEPT_CLIP_BYTES = 64 * 1024  # 800 clips take 44 MB; larger clips are not kept


def _generate(
    name: str,
    split: str,
    num_frames: int,
    size: int,
    seed: int,
    clips_per_class: int | None,
    class_names: tuple[str, ...] | None,
) -> _Generated:
    """Returns pixels, labels, class names, and the number of each clip in a split with all classes."""
    from dfs_store.videos.built_in import BUILT_IN

    pixels, labels, made = BUILT_IN[name].make(
        split,
        num_frames=num_frames,
        size=size,
        clips_per_class=clips_per_class,
        seed=seed,
        classes=class_names,
    )
    each = len(labels) // len(made)
    places = [BUILT_IN[name].class_names.index(class_name) for class_name in made]
    numbers = [places[label] * each + clip % each for clip, label in enumerate(labels.tolist())]
    pixels.setflags(write=False)
    return pixels[:, None], labels, made, numbers


# Cached, so that a process that condenses and then evaluates generates the clips only once.
_recently_generated = lru_cache(maxsize=4)(_generate)


class NeverDecoded:
    """Provides the attributes of clips that were not decoded from files."""

    directory = None

    @property
    def failed(self) -> list[dict[str, str]]:
        """Always empty, because no file was decoded."""
        return []

    notes = failed

    @property
    def decoders(self) -> dict[str, int]:
        """Always empty, because no file was decoded."""
        return {}


class GeneratedClips(NeverDecoded):
    """Generates the clips of a built-in dataset on first use. Only the settings are pickled.

    Args:
        name: name of the dataset.
        split: "train" or "test".
        num_frames: T, the number of frames per clip.
        size: height and width in pixels.
        seed: seed that the clips are generated from.
        clips_per_class: number of clips per class; the dataset's default if None.
        class_names: names of the classes to generate; all if None.
    """

    def __init__(
        self,
        name: str,
        split: str,
        num_frames: int,
        size: int,
        seed: int,
        clips_per_class: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        kept = None if class_names is None else tuple(sorted(class_names))
        self._settings = (name, split, num_frames, size, seed, clips_per_class, kept)

    def __getstate__(self) -> dict[str, Any]:
        return {"_settings": self._settings}

    @cached_property
    def _made(self) -> _Generated:
        _, _, num_frames, size, *_ = self._settings
        clip_bytes = num_frames * size * size * 3
        generate = _recently_generated if clip_bytes <= _KEPT_CLIP_BYTES else _generate
        pixels, labels, made, numbers = generate(*self._settings)
        return pixels, labels.copy(), list(made), list(numbers)

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Pixels of all clips, (N, 1, T, H, W, 3) uint8, in memory."""
        return self._made[0]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each clip, (N,) int64."""
        return self._made[1]

    @property
    def classes(self) -> list[str]:
        """Class names, indexed by label."""
        return self._made[2]

    @property
    def fps(self) -> float:
        """Frames per second at which a clip plays at its natural speed."""
        from dfs_store.videos.built_in import BUILT_IN

        return BUILT_IN[self._settings[0]].fps_of(self._settings[2])

    def origin(self, number: int) -> dict[str, Any]:
        """Returns {"generator", "seed", "clip"}, where "clip" is the clip's number in the whole split."""
        name, _, _, _, seed, *_ = self._settings
        return {"generator": name, "seed": seed, "clip": self._made[3][number]}

    def file_bytes(self, number: int) -> tuple[str, int | None]:
        """Returns ("", None), because generated clips have no file."""
        return "", None

    def group(self, number: int) -> str:
        """Returns the clip's number within its class, because every clip is its own group."""
        return str(number % (len(self.labels) // len(self.classes)))


class _Rows:
    """Selects rows of an array without copying them. Indexing reads only the indexed rows."""

    def __init__(self, array: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> None:
        self._array = array
        self._rows = rows
        self.shape = (rows.size, *array.shape[1:])

    def __len__(self) -> int:
        return int(self._rows.size)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401 - any NumPy index
        first, *rest = key if isinstance(key, tuple) else (key,)
        found: npt.NDArray[np.uint8] = self._array[(self._rows[first], *rest)]
        return found


class SomeClips:
    """Provides some of a source's clips, with the file lists and classes of the whole source.

    Args:
        source: the whole source.
        numbers: (M,) int64, increasing clip numbers.
    """

    def __init__(self, source: PixelSource, numbers: npt.NDArray[np.int64]) -> None:
        self._source = source
        self._numbers = numbers
        self.classes, self.fps, self.directory = source.classes, source.fps, source.directory
        self.failed, self.notes, self.decoders = source.failed, source.notes, source.decoders

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Pixels of all clips, (N, V, T, H, W, 3) uint8. Only indexed rows are read."""
        return cast("npt.NDArray[np.uint8]", _Rows(self._source.pixels, self._numbers))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each clip, (N,) int64."""
        return self._source.labels[self._numbers]

    def origin(self, number: int) -> dict[str, Any]:
        """Returns where a clip came from."""
        return self._source.origin(int(self._numbers[number]))

    def file_bytes(self, number: int) -> tuple[str, int | None]:
        """Returns the file that a clip was cut from, and its size in bytes if known."""
        return self._source.file_bytes(int(self._numbers[number]))

    def group(self, number: int) -> str:
        """Returns the group of a clip within its class."""
        return self._source.group(int(self._numbers[number]))
