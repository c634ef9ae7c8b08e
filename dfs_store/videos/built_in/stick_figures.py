"""The built-in dataset stick-figures, in which bright figures perform eight actions in a dim scene.

Body, colours, position, speed, joint angles, viewing side and scene vary from clip to clip. Figures are
brighter than the scene, so that an untrained network can distinguish poses. With arbitrary colours, it
cannot, and distribution matching fails. As in trimmed action videos, every clip starts near the beginning of
the action. Clips last one second, regardless of their number of frames.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from dfs_store.videos.built_in.generator import Floats, Generator, RawRandom
from dfs_store.videos.built_in.stick_actions import ACTIONS, BONES, joints_of

__all__ = ["STICK_FIGURES"]

# Lengths are in frame widths, radii of bones in body heights, colours in [0, 1].
_BODY_HEIGHT: Final = (0.6, 0.67)
_GROUND: Final = (0.86, 0.92)
_TEMPO: Final = (0.5, 0.7)  # actions per clip, so that clips end shortly after the climax
_LATE: Final = 0.1  # latest start of a clip within the action
_ONSET: Final = 1.6  # exponent of time within a clip, so that actions accelerate
_WALL: Final = (0.02, 0.2)
_FLOOR: Final = (0.06, 0.26)
_CLUTTER: Final = (0.03, 0.4)
_CLOTHES: Final = (0.6, 1.0)
_SKIN_DARK: Final = np.array([0.78, 0.55, 0.42])
_SKIN_LIGHT: Final = np.array([1.0, 0.86, 0.74])
_FAR_SHADE: Final = 0.74  # limbs on the far side are darker, to distinguish them from the near ones
_RADII: Final = {"trunk": 0.066, "head": 0.078, "neck": 0.034, "thigh": 0.05, "shin": 0.044, "arm": 0.038}


def _pixel_grid(size: int) -> tuple[Floats, Floats]:
    """Returns the coordinates x (1, size) and y (size, 1) of pixel centres in frame widths, y downwards."""
    centres = (np.arange(size) + 0.5) / size
    return centres[None, :], centres[:, None]


def _cover(image: Floats, coverage: Floats, colour: Floats) -> None:
    """Blends a colour into an image (..., H, W, 3) in place, given the coverage (..., H, W) of each pixel."""
    image += coverage[..., None] * (colour - image)


def _smooth_edge(distance: Floats, size: int) -> Floats:
    """Converts a signed distance in frame widths (negative inside) to coverage, with a one-pixel edge."""
    return np.clip(0.5 - distance * size, 0.0, 1.0)


def _scene(random: RawRandom, ground: float, size: int) -> Floats:
    """Returns an image (size, size, 3) of a wall with a lighting gradient, a floor, and a few dim objects."""
    x, y = _pixel_grid(size)
    top, bottom = random.uniforms(3, *_WALL), random.uniforms(3, *_WALL)
    slope = random.uniform(-0.4, 0.4)
    light = np.clip(y / ground + slope * (x - 0.5), 0.0, 1.0)[..., None]
    image = top + light * (bottom - top)
    horizon = ground - random.uniform(0.04, 0.16)
    for _ in range(5 + random.below(6)):
        colour = random.uniforms(3, *_CLUTTER)
        centre_x, half_width = random.uniform(), random.uniform(0.03, 0.12)
        if random.uniform() < 0.6:  # an object on the wall or in front of it
            half_height = random.uniform(0.04, 0.2)
            centre_y = horizon - half_height - random.uniform(0.0, 0.45) * (random.uniform() < 0.6)
            distance = np.maximum(np.abs(x - centre_x) - half_width, np.abs(y - centre_y) - half_height)
        else:
            centre_y = random.uniform(0.1, horizon)
            distance = np.hypot(x - centre_x, y - centre_y) - half_width
        _cover(image, _smooth_edge(distance, size), colour)
    _cover(image, _smooth_edge(np.broadcast_to(horizon - y, (size, size)), size), random.uniforms(3, *_FLOOR))
    return image


def _bone_colours(random: RawRandom) -> dict[str, Floats]:
    """Draws random colours for skin, shirt and trousers, and returns the colour of each bone."""
    skin = _SKIN_DARK + random.uniform() * (_SKIN_LIGHT - _SKIN_DARK)
    shirt, trousers = random.uniforms(3, *_CLOTHES), random.uniforms(3, *_CLOTHES)
    shoes_bare, sleeves_long = random.uniform() < 0.3, random.uniform() < 0.5
    colours = {}
    for bone in BONES:
        if "thigh" in bone or ("shin" in bone and not shoes_bare):
            colour = trousers
        elif bone == "trunk" or "upper arm" in bone or ("forearm" in bone and sleeves_long):
            colour = shirt
        else:
            colour = skin
        colours[bone] = colour * (_FAR_SHADE if bone.startswith("far") else 1.0)
    return colours


def _shadow(joints: dict[str, Floats], ground: float, size: int) -> Floats:
    """Returns the darkness (T, size, size) of the shadow on the floor. It is fainter during a jump."""
    x, y = _pixel_grid(size)
    corners = np.stack([joints[name] for name in ("near foot", "far foot", "pelvis", "neck")])
    centre = corners[:, :, 0].mean(axis=0)[:, None, None]
    half = (np.ptp(corners[:, :, 0], axis=0) / 2 + 0.07)[:, None, None]
    feet = np.maximum(joints["near foot"][:, 1], joints["far foot"][:, 1])[:, None, None]
    height = np.clip((ground - feet) / 0.2, 0.0, 1.0)
    far = ((x - centre) / half) ** 2 + ((y - ground - 0.01) / 0.028) ** 2
    darkness: Floats = 0.75 * (1 - 0.6 * height) * np.clip(1.5 - far, 0.0, 1.0)
    return darkness


def _draw_bone(image: Floats, ends: tuple[Floats, Floats], radius: float, colour: Floats) -> None:
    """Draws a capsule into every frame of `image` (T, size, size, 3), computing only its bounding box."""
    size = image.shape[1]
    start, end = ends
    both = np.stack(ends)
    low = np.floor((both.min(axis=(0, 1)) - radius) * size - 1).astype(int).clip(0, size)
    high = np.ceil((both.max(axis=(0, 1)) + radius) * size + 1).astype(int).clip(0, size)
    if (low >= high).any():
        return  # outside the frame
    x, y = _pixel_grid(size)
    x, y = x[:, low[0] : high[0]], y[low[1] : high[1]]
    way = (end - start)[:, :, None, None]
    from_x, from_y = x - start[:, 0, None, None], y - start[:, 1, None, None]
    length = np.maximum((way**2).sum(axis=1), 1e-12)
    along = np.clip((from_x * way[:, 0] + from_y * way[:, 1]) / length, 0.0, 1.0)
    distance = np.hypot(from_x - along * way[:, 0], from_y - along * way[:, 1]) - radius
    part = image[:, low[1] : high[1], low[0] : high[0]]
    _cover(part, _smooth_edge(distance, size), colour)


def _radius(bone: str) -> float:
    return next(radius for part, radius in _RADII.items() if part in ("arm" if "arm" in bone else bone))


def _make_clip(action: str, random: RawRandom, num_frames: int, size: int) -> npt.NDArray[np.uint8]:
    ground, height = random.uniform(*_GROUND), random.uniform(*_BODY_HEIGHT)
    scene = _scene(random, ground, size)
    colours, thickness = _bone_colours(random), random.uniform(0.85, 1.2)
    centre, mirrored = random.uniform(0.42, 0.58), random.uniform() < 0.5
    start, tempo = random.uniform(0.0, _LATE), random.uniform(*_TEMPO)
    time = start + tempo * np.linspace(0.0, 1.0, num_frames) ** _ONSET
    scale = np.array([-height if mirrored else height, -height])
    joints = {
        name: np.array([centre, ground]) + scale * place
        for name, place in joints_of(action, time, random).items()
    }
    image = np.repeat(scene[None], num_frames, axis=0)
    image *= 1 - _shadow(joints, ground, size)[..., None]
    for bone, (one, other) in BONES.items():
        _draw_bone(image, (joints[one], joints[other]), _radius(bone) * thickness * height, colours[bone])
    return np.rint(image * 255.0).astype(np.uint8)


STICK_FIGURES: Final = Generator("stick-figures", ACTIONS, _make_clip, seconds=1.0)
