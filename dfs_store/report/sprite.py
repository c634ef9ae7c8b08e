"""Combines a clip's frames into one image, so that the page can show one frame at a time."""

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dfs_store.pictures import PicturedClip

__all__ = ["Sprite", "sprite"]

_LARGEST_SIDE = 160  # longest side of a frame in pixels, to keep the page small
_LARGEST_IMAGE = 16_000  # WebP's limit is 16,383 pixels
_QUALITY = 80


@dataclass(frozen=True)
class Sprite:
    """The T frames of a clip, in a grid.

    Attributes:
        uri: data URI of a WebP image.
        columns, rows: size of the grid, which is filled row by row.
        width, height: size of a frame in pixels.
    """

    uri: str
    columns: int
    rows: int
    width: int
    height: int


def sprite(clip: PicturedClip) -> Sprite:
    """Combines a clip's frames into one image."""
    length, height, width = clip.pixels.shape[:3]
    columns = math.ceil(math.sqrt(length))
    rows = -(-length // columns)
    share = min(1.0, _LARGEST_SIDE / max(height, width), _LARGEST_IMAGE / (columns * max(height, width)))
    size = (max(1, int(width * share)), max(1, int(height * share)))
    grid = Image.new("RGB", (columns * size[0], rows * size[1]))
    for position, frame in enumerate(clip.pixels):
        image = Image.fromarray(np.ascontiguousarray(frame))
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        row, column = divmod(position, columns)
        grid.paste(image, (column * size[0], row * size[1]))
    data = io.BytesIO()
    grid.save(data, "WEBP", quality=_QUALITY, method=4)
    uri = "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()
    return Sprite(uri, columns, rows, *size)
