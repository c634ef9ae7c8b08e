"""Generates the clips of a built-in dataset from a seed, after checking the settings."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.interpolation import check_num_frames
from dfs_store.names import did_you_mean

__all__ = ["SPLITS", "Floats", "Generator", "RawRandom"]

SPLITS: Final = ("train", "test")
SMALLEST_SIZE: Final = 8

Floats = npt.NDArray[np.float64]


class RawRandom:
    """Uniform random numbers from PCG64's raw output, which is the same in every NumPy version.

    Args:
        keys: non-negative integers that identify the stream.
    """

    def __init__(self, *keys: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(keys))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Returns a random number in [low, high)."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def uniforms(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Returns random numbers in [low, high), (count,) float64."""
        return np.array([self.uniform(low, high) for _ in range(count)])

    def below(self, bound: int) -> int:
        """Returns a random integer in 0..bound-1."""
        return int(self.uniform(0, bound))


@dataclass(frozen=True)
class Generator:
    """A built-in dataset.

    A clip depends only on the seed, the split, its class and its number within the class. Generating more
    clips therefore leaves the first ones unchanged, and the two splits have no clips in common.

    Attributes:
        name: name on the command line.
        class_names: sorted class names, in the order of their labels.
        make_clip: called with (class name, random numbers, T, size); returns a clip, (T, size, size, 3) uint8
            RGB.
        num_frames: T, the default number of frames per clip.
        size: default height and width in pixels.
        train_clips_per_class: default number of training clips per class.
        test_clips_per_class: default number of test clips per class.
        fps: frames per second at which a clip plays at its natural speed; not used if `seconds` is set.
        seconds: duration of every clip, regardless of its number of frames; None if it depends on that
            number.
    """

    name: str
    class_names: tuple[str, ...]
    make_clip: Callable[[str, RawRandom, int, int], npt.NDArray[np.uint8]]
    num_frames: int = 8
    size: int = 48
    train_clips_per_class: int = 100
    test_clips_per_class: int = 40
    fps: float = 8.0
    seconds: float | None = None

    def check_class_names(self, names: Iterable[str]) -> None:
        """Raises SettingsError unless all names are classes of the dataset."""
        if unknown := sorted(set(names) - set(self.class_names)):
            raise SettingsError(
                f"{self.name} has no class {', '.join(unknown)}; its classes: {', '.join(self.class_names)}"
                f"{did_you_mean(unknown[0], self.class_names)}"
            )

    def fps_of(self, num_frames: int) -> float:
        """Returns the frame rate at which a clip of `num_frames` frames plays at its natural speed."""
        return self.fps if self.seconds is None else (num_frames - 1) / self.seconds

    def make(
        self,
        split: str,
        *,
        num_frames: int | None = None,
        size: int | None = None,
        clips_per_class: int | None = None,
        seed: int = 0,
        classes: Sequence[str] | None = None,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
        """Generates the clips of a split.

        Args:
            split: "train" or "test".
            num_frames: T, at least 2. Like `size` and `clips_per_class`, it defaults to the dataset's value.
            size: height and width of a frame in pixels, at least 8.
            clips_per_class: number of clips per class, at least 1.
            seed: non-negative integer.
            classes: names of the classes to generate; all if None. The choice does not change the clips of
                each class.

        Returns:
            Pixels (N, T, size, size, 3) uint8 RGB, labels (N,) int64, and the sorted class names. The clips
            are sorted by class.

        Raises:
            SettingsError: a value is invalid.
        """
        num_frames = self.num_frames if num_frames is None else num_frames
        size = self.size if size is None else size
        names = list(self.class_names) if classes is None else sorted(set(classes))
        self._check(split, num_frames, size, clips_per_class, seed, names)
        usual = self.train_clips_per_class if split == "train" else self.test_clips_per_class
        each = clips_per_class or usual
        pixels = np.empty((len(names) * each, num_frames, size, size, 3), dtype=np.uint8)
        for clip in range(len(pixels)):
            name, number = names[clip // each], clip % each
            random = RawRandom(seed, SPLITS.index(split), zlib.crc32(name.encode()), number)
            pixels[clip] = self.make_clip(name, random, num_frames, size)
        return pixels, np.repeat(np.arange(len(names), dtype=np.int64), each), names

    def _check(
        self, split: str, num_frames: int, size: int, clips_per_class: int | None, seed: int, names: list[str]
    ) -> None:
        if split not in SPLITS:
            raise SettingsError(f"split must be train or test, got {split!r}")
        check_num_frames(num_frames)
        if size < SMALLEST_SIZE:
            raise SettingsError(f"size must be at least {SMALLEST_SIZE} pixels for {self.name}, got {size}")
        if clips_per_class is not None and clips_per_class < 1:
            raise SettingsError(f"clips_per_class must be at least 1, got {clips_per_class}")
        if seed < 0:
            raise SettingsError(f"seed must be at least 0, got {seed}")
        if not names:
            raise SettingsError("classes must contain at least one class, got none")
        self.check_class_names(names)
