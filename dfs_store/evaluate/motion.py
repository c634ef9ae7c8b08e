"""Compares the motion of real and condensed clips by mean optical flow per class (Figure 3)."""

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dfs_store.errors import MissingDependencyError
from dfs_store.pictures.drawing import LIGHT, fitted, font, shortened

__all__ = [
    "almost_still",
    "end_point_error",
    "flow_colours",
    "flow_picture",
    "frame_flows",
    "mean_cosine",
    "mean_flow",
]

Flow = npt.NDArray[np.float32]

_STILL = 0.05  # pixels per frame; Farneback finds up to 0.04 in still clips
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_LEAST_MOTION = 0.02  # pixels per frame, mean of all pixels; Farneback finds 0.01 in still clips
_LABEL_WIDTH = 96  # width of the row labels, in pixels
_KEY_SIZE, _KEY_WIDTH = 65, 220  # diameter of the colour key, and its width with text, in pixels
_TILE = 96  # minimum side of a class's image, in pixels
_MARGIN = 4
_TEXT_HEIGHT, _FONT_SIZE = 16, 11


def frame_flows(clip: npt.NDArray[np.float32]) -> Iterator[Flow]:
    """Yields the optical flow (Farneback) from every frame to the next.

    Args:
        clip: (T, 3, H, W) float32 RGB in [0, 1].

    Yields:
        T-1 fields, (H, W, 2) float32: the motion to the right and downwards, in pixels per frame.

    Raises:
        MissingDependencyError: OpenCV is not installed.
    """
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise MissingDependencyError(
            "optical flow needs OpenCV, which is not installed; install it with: "
            "pip install 'dfs-store[motion]'"
        ) from error
    grey = np.rint(np.tensordot(_GREY_WEIGHTS, clip.clip(0, 1), axes=(0, 1)) * 255).astype(np.uint8)
    for one, other in itertools.pairwise(grey):
        # The values of OpenCV's examples: 3 pyramid levels with scale 0.5, windows of 15, 3 iterations.
        yield cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 3, 15, 3, 5, 1.2, 0)


def mean_flow(clips: Iterable[npt.NDArray[np.float32]]) -> Flow:
    """Returns the mean optical flow (Farneback) over all pairs of consecutive frames of all clips.

    Args:
        clips: at least one, each (T, 3, H, W) float32 RGB in [0, 1].

    Returns:
        (H, W, 2) float32, the motion to the right and downwards, in pixels per frame.

    Raises:
        MissingDependencyError: OpenCV is not installed.
    """
    total, count = None, 0
    for clip in clips:
        for flow in frame_flows(clip):
            total = flow.astype(np.float64) if total is None else total + flow
            count += 1
    if total is None:
        raise ValueError("mean_flow needs at least one clip")
    mean: Flow = (total / count).astype(np.float32)
    return mean


def mean_cosine(one: Flow, other: Flow) -> float | None:
    """Returns the mean cosine between two flow fields (H, W, 2) over all pixels.

    Pixels without motion in either field (below 0.05 pixels per frame) are excluded. Returns None if no
    pixels remain.
    """
    lengths = np.linalg.norm([one, other], axis=-1)
    moving = lengths.min(axis=0) >= _STILL
    if not moving.any():
        return None
    return float((np.sum(one * other, axis=-1)[moving] / lengths.prod(axis=0)[moving]).mean())


def almost_still(flow: Flow) -> bool:
    """Returns whether a flow field (H, W, 2) has a mean magnitude below 0.02 pixels per frame."""
    return float(np.linalg.norm(flow, axis=-1).mean()) < _LEAST_MOTION


def end_point_error(one: Flow, other: Flow) -> float:
    """Returns the mean distance between two flow fields (H, W, 2) over all pixels, in pixels per frame.

    Unlike `mean_cosine`, this includes still pixels and depends on speed.
    """
    return float(np.linalg.norm(one.astype(np.float64) - other, axis=-1).mean())


def flow_colours(flow: Flow, largest: float) -> npt.NDArray[np.uint8]:
    """Colours a flow field as in Figure 3 of the paper.

    The hue is the direction: right is red, up is green, left is cyan and down is violet. Saturation and
    brightness grow with the magnitude; no motion is grey.

    Args:
        flow: (H, W, 2) in pixels per frame.
        largest: magnitude at which colours become fully saturated, in pixels per frame.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    # The second component points downwards, but hues increase counter-clockwise.
    hue = np.arctan2(-flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1.0
    strength = np.minimum(np.linalg.norm(flow, axis=-1) / max(largest, 1e-12), 1.0)
    brightness = 0.5 + 0.5 * strength
    # HSV to RGB: channel n is v - v*s*max(0, min(k, 4-k, 1)) with k = (n + 6h) mod 6, for n = 5, 3, 1.
    k = (np.array([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    ramp = np.clip(np.minimum(k, 4 - k), 0, 1)
    rgb = brightness[..., None] * (1 - strength[..., None] * ramp)
    pixels: npt.NDArray[np.uint8] = np.rint(rgb * 255).astype(np.uint8)
    return pixels


def flow_picture(real: list[Flow], condensed: list[Flow], names: list[str]) -> npt.NDArray[np.uint8]:
    """Draws the real and condensed flow of every class, one column per class, with a colour key.

    Condensed clips move less, so each row is scaled to its own 99th percentile of the magnitude, which is
    printed next to the row. This makes the directions comparable.

    Args:
        real: mean flow of the real clips of each class, (H, W, 2) in pixels per frame.
        condensed: the same for the condensed clips.
        names: class names.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    height, width = real[0].shape[:2]
    scale = max(1, -(-_TILE // min(height, width)))
    tile_width, tile_height = width * scale, height * scale
    left, top = _LABEL_WIDTH + _MARGIN, _TEXT_HEIGHT + _MARGIN
    lefts = [left + column * (tile_width + _MARGIN) for column in range(len(names))]
    tops = [top, top + tile_height + _MARGIN]
    key_top = tops[1] + tile_height + _MARGIN
    picture_width = max(lefts[-1] + tile_width + _MARGIN, _KEY_WIDTH)
    picture_height = key_top + _KEY_SIZE + 2 * _TEXT_HEIGHT
    image = Image.new("RGB", (picture_width, picture_height), LIGHT.background)
    write = partial(ImageDraw.Draw(image).text, fill=LIGHT.text, font=font(_FONT_SIZE))
    for x, name in zip(lefts, names, strict=True):
        write((x, 0), shortened(name, tile_width, _FONT_SIZE))
    for y, label, flows in zip(tops, ("real", "condensed"), (real, condensed), strict=True):
        largest = float(np.percentile(np.linalg.norm(np.stack(flows), axis=-1), 99))
        write((0, y + tile_height // 2), f"{label}\nfull colour:\n{largest:.2f} px/frame", anchor="lm")
        for x, flow in zip(lefts, flows, strict=True):
            image.paste(fitted(flow_colours(flow, largest), tile_width, tile_height), (x, y))
    _draw_colour_key(image, write, key_top)
    return np.asarray(image)


def _draw_colour_key(image: Image.Image, write: Callable[..., None], top: int) -> None:
    """Draws a disc with the colours of all directions, labelled left, right, up and down."""
    radius = _KEY_SIZE // 2
    down, right = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    disc = flow_colours(np.stack([right, down], axis=-1), radius)
    disc[np.hypot(right, down) > radius] = LIGHT.background
    x, y = _LABEL_WIDTH // 2 + radius, top + _TEXT_HEIGHT + radius
    image.paste(Image.fromarray(disc), (x - radius, y - radius))
    away = radius + _MARGIN
    for word, place, anchor in (
        ("up", (x, y - away), "mb"),
        ("down", (x, y + away), "mt"),
        ("left", (x - away, y), "rm"),
        ("right", (x + away, y), "lm"),
        ("grey: still", (x + away + _LABEL_WIDTH // 2, y), "lm"),
    ):
        write(place, word, anchor=anchor)
