"""Colours, text and tiles that all pictures share."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = [
    "DARK",
    "LIGHT",
    "THEMES",
    "Colour",
    "Theme",
    "fitted",
    "font",
    "mixed",
    "shortened",
    "step_colour",
]

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Theme:
    """Colours of a picture.

    Attributes:
        background: colour of the page.
        text: colour of text.
        faint: colour of secondary text and lines.
        initial: colour of initial key frames, and of key frames whose step is unknown.
    """

    background: Colour
    text: Colour
    faint: Colour
    initial: Colour


LIGHT = Theme((255, 255, 255), (25, 28, 33), (118, 124, 134), (40, 44, 52))
DARK = Theme((22, 24, 29), (236, 238, 242), (146, 152, 163), (245, 246, 248))
THEMES = {"light": LIGHT, "dark": DARK}

# Blue, teal, ochre, orange and red, from early to late steps. They have equal lightness, can be distinguished
# with red-green blindness, and are legible on both backgrounds.
_STEP_COLOURS: list[Colour] = [(38, 110, 214), (20, 150, 150), (190, 150, 20), (232, 112, 20), (206, 42, 66)]


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Mixes two colours. `share` is the share of the first one, from 0 to 1."""
    red, green, blue = (round(share * a + (1 - share) * b) for a, b in zip(one, other, strict=True))
    return red, green, blue


def step_colour(share: float) -> Colour:
    """Returns the colour for a step of insertion, given as a fraction from 0 (first) to 1 (last)."""
    place = min(max(share, 0.0), 1.0) * (len(_STEP_COLOURS) - 1)
    left = min(int(place), len(_STEP_COLOURS) - 2)
    return mixed(_STEP_COLOURS[left + 1], _STEP_COLOURS[left], place - left)


@functools.cache
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Returns the font included in Pillow, so that pictures are the same on every machine."""
    return ImageFont.load_default(size)


def shortened(text: str, width: float, size: int) -> str:
    """Truncates text to a width in pixels, with an ellipsis."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    measure = font(size).getlength
    if measure(printable) <= width:
        return printable
    kept = printable
    while kept and measure(kept + "…") > width:
        kept = kept[:-1]
    return kept + "…"


def fitted(pixels: npt.NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """Scales a frame (H, W, 3) to fit a tile, by an integer factor if possible, which keeps pixels sharp."""
    image = Image.fromarray(pixels)
    if image.size == (width, height):
        return image
    whole = width % image.width == 0 and height % image.height == 0
    return image.resize((width, height), Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS)


def write_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    colour: Colour,
    *,
    size: int,
    anchor: str = "la",
) -> None:
    """Writes a line of text. `anchor` is a Pillow text anchor."""
    draw.text(place, text, fill=colour, font=font(size), anchor=anchor)
