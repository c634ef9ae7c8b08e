"""The built-in dataset moving-shapes, whose classes differ only in how the shapes move.

Shapes, colours, sizes, background, orientations, start positions and directions have the same random
distribution in every class, and the shapes of a clip have only their kind of motion in common. A single frame
contains no information about the class. Start positions are uniform, and shapes that leave the frame on one
side enter on the opposite side, so the position of a shape is uniform in every frame.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from dfs_store.videos.built_in.generator import Floats, Generator, RawRandom

__all__ = ["MOVING_SHAPES"]

# Lengths are in frame widths, times in frames, speeds in frame widths per frame.
_SHAPES_PER_CLIP: Final = 8
_RADIUS: Final = (0.09, 0.17)
_BACKGROUND: Final = (0.0, 0.2)  # pixel values in [0, 1]; dark, so that a shape is always brighter
_CONTRAST: Final = (0.3, 0.7)  # how much brighter a shape is than the background, in each channel
_SLOW: Final = (0.03, 0.05)
_FAST: Final = (0.15, 0.20)


# A motion takes the times 0, 1, ..., T-1 and returns the displacements (T, 2) from the start, along the
# direction of the shape and to its left. Its random numbers are drawn after those of the appearance.
Motion = Callable[[Floats, RawRandom], Floats]


def _path(forward: Floats) -> Floats:
    return np.stack([forward, np.zeros_like(forward)], axis=-1)


def _still(times: Floats, random: RawRandom) -> Floats:
    return _path(np.zeros_like(times))


def _slow(times: Floats, random: RawRandom) -> Floats:
    return _path(random.uniform(*_SLOW) * times)


def _fast(times: Floats, random: RawRandom) -> Floats:
    return _path(random.uniform(*_FAST) * times)


def _bouncing(times: Floats, random: RawRandom) -> Floats:
    """Returns the displacements of a shape that moves back and forth, reversing at every frame."""
    return _path(random.uniform(0.2, 0.3) * ((times + random.below(2)) % 2.0))


def _starting(times: Floats, random: RawRandom) -> Floats:
    return _path(random.uniform(*_FAST) * np.maximum(times - (len(times) - 1) / 2.0, 0.0))


def _stopping(times: Floats, random: RawRandom) -> Floats:
    return _path(random.uniform(*_FAST) * np.minimum(times, (len(times) - 1) / 2.0))


_MOTIONS: Final[dict[str, Motion]] = {
    "bouncing": _bouncing,
    "fast": _fast,
    "slow": _slow,
    "starting": _starting,
    "still": _still,
    "stopping": _stopping,
}


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


def _coverage(class_name: str, random: RawRandom, num_frames: int, size: int) -> Floats:
    """Returns the fraction of each pixel that a random shape covers, (T, size, size) in [0, 1]."""
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


def _make_clip(class_name: str, random: RawRandom, num_frames: int, size: int) -> npt.NDArray[np.uint8]:
    background = random.uniforms(3, *_BACKGROUND)
    frames = np.broadcast_to(background, (num_frames, size, size, 3))
    for _ in range(_SHAPES_PER_CLIP):
        colour = background + random.uniforms(3, *_CONTRAST)
        coverage = _coverage(class_name, random, num_frames, size)[..., None]
        frames = frames + coverage * (colour - frames)
    return np.rint(frames * 255.0).astype(np.uint8)


MOVING_SHAPES: Final = Generator("moving-shapes", tuple(sorted(_MOTIONS)), _make_clip)
