"""The built-in dataset: clips of moving shapes, made from a seed, whose classes differ by motion alone.

NumPy only. Shapes, colours, sizes, background, orientations, starts and directions are random and are drawn
in the same way for every class: the shapes of a clip share their kind of motion and nothing else. A single
frame tells nothing about the class, by construction and not just nearly: the world is a torus (what leaves
on one side enters on the other) and every start is uniform on it, so the position of a shape in any one
frame is uniform, whatever its motion.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.interpolation import check_num_frames
from dfs_store.names import did_you_mean

__all__ = ["DEFAULTS", "FPS", "Defaults", "check_class_names", "class_names", "make_moving_shapes"]

Floats = npt.NDArray[np.float64]


class Defaults(NamedTuple):
    """What `make_moving_shapes` makes when nothing else is asked for.

    Attributes:
        num_frames: T, frames per clip.
        size: height and width in pixels.
        train_clips_per_class: clips of each class in the training part.
        test_clips_per_class: clips of each class in the test part.
    """

    num_frames: int
    size: int
    train_clips_per_class: int
    test_clips_per_class: int


DEFAULTS: Final = Defaults(num_frames=8, size=48, train_clips_per_class=100, test_clips_per_class=40)
FPS: Final = 8.0  # frames per second, for playback
SPLITS: Final = ("train", "test")
SMALLEST_SIZE: Final = 8

# Lengths are in frame widths, times in frames, speeds in frame widths per frame.
_SHAPES_PER_CLIP: Final = 8
_RADIUS: Final = (0.09, 0.17)
_BACKGROUND: Final = (0.0, 0.2)  # pixel values in [0, 1]; dark, so that a shape is always the brighter one
_CONTRAST: Final = (0.3, 0.7)  # by how much a shape is brighter, in each channel
_SLOW: Final = (0.03, 0.05)
_FAST: Final = (0.15, 0.20)


class _Random:
    """Uniform numbers in [0, 1) from the raw output of PCG64, which no NumPy version may change."""

    def __init__(self, seed: int, split: str, class_name: str, clip: int) -> None:
        keys = [seed, SPLITS.index(split), zlib.crc32(class_name.encode()), clip]
        self._bits = np.random.PCG64(np.random.SeedSequence(keys))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def uniforms(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        return np.array([self.uniform(low, high) for _ in range(count)])

    def below(self, bound: int) -> int:
        return int(self.uniform(0, bound))


# A motion gives, for the times (T,) 0, 1, ..., T-1, the way (T, 2) from the start along the clip's
# direction and to the left of it. Its own random numbers come after those of the appearance.
Motion = Callable[[Floats, _Random], Floats]


def _path(forward: Floats) -> Floats:
    return np.stack([forward, np.zeros_like(forward)], axis=-1)


def _still(times: Floats, random: _Random) -> Floats:
    return _path(np.zeros_like(times))


def _slow(times: Floats, random: _Random) -> Floats:
    return _path(random.uniform(*_SLOW) * times)


def _fast(times: Floats, random: _Random) -> Floats:
    return _path(random.uniform(*_FAST) * times)


def _bouncing(times: Floats, random: _Random) -> Floats:
    """To and fro, turning at every frame."""
    return _path(random.uniform(0.2, 0.3) * ((times + random.below(2)) % 2.0))


def _starting(times: Floats, random: _Random) -> Floats:
    """Still in the first half, fast in the second."""
    return _path(random.uniform(*_FAST) * np.maximum(times - (len(times) - 1) / 2.0, 0.0))


def _stopping(times: Floats, random: _Random) -> Floats:
    """Fast in the first half, still in the second."""
    return _path(random.uniform(*_FAST) * np.minimum(times, (len(times) - 1) / 2.0))


_MOTIONS: Final[dict[str, Motion]] = {
    "bouncing": _bouncing,
    "fast": _fast,
    "slow": _slow,
    "starting": _starting,
    "still": _still,
    "stopping": _stopping,
}


def class_names() -> list[str]:
    """Returns the class names in the order of their labels (sorted)."""
    return sorted(_MOTIONS)


def check_class_names(names: Iterable[str]) -> None:
    """Raises SettingsError unless moving-shapes has all these classes."""
    if unknown := sorted(set(names) - set(_MOTIONS)):
        raise SettingsError(
            f"moving-shapes has no class {', '.join(unknown)}; it has {', '.join(class_names())}"
            f"{did_you_mean(unknown[0], class_names())}"
        )


# Signed distances (negative inside) of shapes of radius 1; x and y in radii from the centre.
def _disc(x: Floats, y: Floats) -> Floats:
    return np.hypot(x, y) - 1.0


def _ring(x: Floats, y: Floats) -> Floats:
    return np.abs(np.hypot(x, y) - 0.75) - 0.3


def _square(x: Floats, y: Floats) -> Floats:
    return np.maximum(np.abs(x), np.abs(y)) - 0.9


def _triangular(x: Floats, y: Floats) -> Floats:
    return np.maximum(0.866 * np.abs(x) + 0.5 * y, -y) - 0.65


def _cross(x: Floats, y: Floats) -> Floats:
    across, along = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    return np.maximum(across - 0.35, along - 1.05)


_SHAPES: Final = (_disc, _ring, _square, _triangular, _cross)


def _coverage(class_name: str, random: _Random, num_frames: int, size: int) -> Floats:
    """Returns how much of each pixel one shape covers, (T, size, size) in [0, 1]; edges are smooth."""
    shape = _SHAPES[random.below(len(_SHAPES))]
    radius, start = random.uniform(*_RADIUS), random.uniforms(2)
    direction, turn = random.uniforms(2, 0.0, 2.0 * np.pi)
    way = _MOTIONS[class_name](np.arange(num_frames, dtype=np.float64), random)
    cos, sin = np.cos(direction), np.sin(direction)
    centre = start + way @ np.array([[cos, sin], [-sin, cos]])
    pixels = (np.arange(size) + 0.5) / size
    x = ((pixels - centre[:, :1] + 0.5) % 1.0 - 0.5)[:, None, :]
    y = ((pixels - centre[:, 1:] + 0.5) % 1.0 - 0.5)[:, :, None]
    cos, sin = np.cos(turn), np.sin(turn)
    distance = shape((cos * x + sin * y) / radius, (cos * y - sin * x) / radius) * radius * size
    return np.clip(0.5 - distance, 0.0, 1.0)


def _make_clip(class_name: str, random: _Random, num_frames: int, size: int) -> npt.NDArray[np.uint8]:
    """Returns one clip, (T, size, size, 3) uint8."""
    background = random.uniforms(3, *_BACKGROUND)
    frames = np.broadcast_to(background, (num_frames, size, size, 3))
    for _ in range(_SHAPES_PER_CLIP):
        colour = background + random.uniforms(3, *_CONTRAST)
        coverage = _coverage(class_name, random, num_frames, size)[..., None]
        frames = frames + coverage * (colour - frames)
    return np.rint(frames * 255.0).astype(np.uint8)


def make_moving_shapes(
    split: str,
    *,
    num_frames: int = DEFAULTS.num_frames,
    size: int = DEFAULTS.size,
    clips_per_class: int | None = None,
    seed: int = 0,
    classes: Sequence[str] | None = None,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    """Makes the training or the test part of moving-shapes.

    A clip depends on the seed, the split, its class and its number in the class alone, so a larger
    part begins with the clips of a smaller one, and the two splits share no clip.

    Args:
        split: "train" or "test".
        num_frames: T, frames per clip, at least 2.
        size: height and width of a frame in pixels, at least 8.
        clips_per_class: clips of each class, at least 1; by default those of `DEFAULTS`.
        seed: a whole number, not negative.
        classes: only these, all when None; their clips are the same whichever others are made.

    Returns:
        Pixels (N, T, size, size, 3) uint8 (RGB), labels (N,) int64, class by class, and the sorted
        class names.

    Raises:
        SettingsError: a value is outside its rule.
    """
    if split not in SPLITS:
        raise SettingsError(f"moving-shapes has the splits train and test, got {split!r}")
    if clips_per_class is None:
        train = split == "train"
        clips_per_class = DEFAULTS.train_clips_per_class if train else DEFAULTS.test_clips_per_class
    check_num_frames(num_frames)
    if size < SMALLEST_SIZE:
        raise SettingsError(f"moving-shapes needs frames of at least {SMALLEST_SIZE} pixels, got size {size}")
    if clips_per_class < 1:
        raise SettingsError(f"moving-shapes needs at least 1 clip per class, got {clips_per_class}")
    if seed < 0:
        raise SettingsError(f"the seed of moving-shapes must not be negative, got {seed}")
    names = class_names() if classes is None else sorted(set(classes))
    if not names:
        raise SettingsError("classes must name at least one class, got none")
    check_class_names(names)
    pixels = np.empty((len(names) * clips_per_class, num_frames, size, size, 3), dtype=np.uint8)
    for clip in range(len(pixels)):
        name, number = names[clip // clips_per_class], clip % clips_per_class
        pixels[clip] = _make_clip(name, _Random(seed, split, name, number), num_frames, size)
    return pixels, np.repeat(np.arange(len(names), dtype=np.int64), clips_per_class), names
