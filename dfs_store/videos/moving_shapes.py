"""The built-in dataset: clips of one moving shape, made from a seed, whose classes differ by motion alone.

NumPy only. Shape, colours, size, background, orientation, start and direction are random and are drawn
in the same way for every class. A single frame tells nothing about the class, by construction and not
just nearly:

- The world is a torus (what leaves on one side enters on the other) and the start is uniform on it, so
  the position in any one frame is uniform, whatever the motion.
- A size that does not change is uniform between two bounds; the size of a pulsing shape follows a
  triangle wave of uniform phase between the same bounds, so in any one frame it is uniform too.
"""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.interpolation import check_num_frames

__all__ = ["DEFAULTS", "FPS", "Defaults", "class_names", "make_moving_shapes"]

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

# Lengths are in frame widths, times in frames.
_RADIUS: Final = (0.12, 0.24)
_TEXTURE: Final = 0.1  # amplitude of the still background waves, in [0, 1] pixel values


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


def _triangle(phase: Floats) -> Floats:
    """Triangle wave of period 1 and range [0, 1]; uniform in [0, 1] for a uniform phase."""
    return 1.0 - np.abs(2.0 * (phase % 1.0) - 1.0)


def _path(forward: Floats, left: Floats | float = 0.0) -> Floats:
    return np.stack([forward, np.broadcast_to(left, forward.shape)], axis=-1)


def _still(times: Floats, random: _Random) -> Floats:
    return _path(np.zeros_like(times))


def _slow(times: Floats, random: _Random) -> Floats:
    return _path(random.uniform(0.03, 0.05) * times)


def _fast(times: Floats, random: _Random) -> Floats:
    return _path(random.uniform(0.15, 0.20) * times)


def _bouncing(times: Floats, random: _Random) -> Floats:
    length = random.uniform(0.2, 0.3)
    return _path(length * _triangle(times / 4.0 + random.uniform()))


def _circling(times: Floats, random: _Random) -> Floats:
    radius, sense = random.uniform(0.12, 0.18), 1.0 if random.uniform() < 0.5 else -1.0
    angle = 2.0 * np.pi * (times / 6.0 + random.uniform())
    return radius * _path(np.cos(angle), sense * np.sin(angle))


def _zigzag(times: Floats, random: _Random) -> Floats:
    width = random.uniform(0.12, 0.18)
    return _path(random.uniform(0.08, 0.12) * times, width * _triangle(times / 2.0 + 0.5 * random.below(2)))


def _accelerating(times: Floats, random: _Random) -> Floats:
    return _path(random.uniform(0.015, 0.02) * times**2)


_MOTIONS: Final[dict[str, Motion]] = {
    "accelerating": _accelerating,
    "bouncing": _bouncing,
    "circling": _circling,
    "fast": _fast,
    "pulsing": _still,
    "slow": _slow,
    "still": _still,
    "zigzag": _zigzag,
}
_PULSE_FRAMES: Final = 4.0  # period of a pulsing shape's size


def class_names() -> list[str]:
    """Returns the class names in the order of their labels (sorted)."""
    return sorted(_MOTIONS)


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


def _background(random: _Random, size: int) -> tuple[Floats, Floats]:
    """Returns the (3,) colour and the (size, size, 3) still background of it, waves included."""
    colour = random.uniforms(3)
    waves_x, waves_y, phase = random.below(4), random.below(4), random.uniform()
    centres = (np.arange(size) + 0.5) / size
    cycles = waves_x * centres[None, :] + waves_y * centres[:, None] + phase
    return colour, colour + _TEXTURE * np.sin(2.0 * np.pi * cycles)[..., None]


def _make_clip(class_name: str, random: _Random, num_frames: int, size: int) -> npt.NDArray[np.uint8]:
    """Returns one clip, (T, size, size, 3) uint8."""
    back_colour, back = _background(random, size)
    # Half a colour circle away, give or take: every channel differs by 0.3 at least, and is uniform.
    colour = (back_colour + random.uniforms(3, 0.3, 0.7)) % 1.0
    shape = _SHAPES[random.below(len(_SHAPES))]
    start, size_phase = random.uniforms(2), random.uniform()
    direction, turn = random.uniforms(2, 0.0, 2.0 * np.pi)
    times = np.arange(num_frames, dtype=np.float64)
    sizes = _triangle(size_phase + (times / _PULSE_FRAMES if class_name == "pulsing" else 0.0 * times))
    radii = (_RADIUS[0] + (_RADIUS[1] - _RADIUS[0]) * sizes)[:, None, None]
    way = _MOTIONS[class_name](times, random)
    cos, sin = np.cos(direction), np.sin(direction)
    centre = start + way @ np.array([[cos, sin], [-sin, cos]])

    pixels = (np.arange(size) + 0.5) / size
    x = ((pixels - centre[:, :1] + 0.5) % 1.0 - 0.5)[:, None, :]
    y = ((pixels - centre[:, 1:] + 0.5) % 1.0 - 0.5)[:, :, None]
    cos, sin = np.cos(turn), np.sin(turn)
    distance = shape((cos * x + sin * y) / radii, (cos * y - sin * x) / radii) * radii * size
    coverage = np.clip(0.5 - distance, 0.0, 1.0)[..., None]
    frames = np.clip(back + coverage * (colour - back), 0.0, 1.0)
    return np.rint(frames * 255.0).astype(np.uint8)


def make_moving_shapes(
    split: str,
    *,
    num_frames: int = DEFAULTS.num_frames,
    size: int = DEFAULTS.size,
    clips_per_class: int | None = None,
    seed: int = 0,
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
    names = class_names()
    pixels = np.empty((len(names) * clips_per_class, num_frames, size, size, 3), dtype=np.uint8)
    for clip in range(len(pixels)):
        name, number = names[clip // clips_per_class], clip % clips_per_class
        pixels[clip] = _make_clip(name, _Random(seed, split, name, number), num_frames, size)
    return pixels, np.repeat(np.arange(len(names), dtype=np.int64), clips_per_class), names
