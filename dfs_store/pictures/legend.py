"""The legend of sheets and films, which explains borders, boxes and dimmed frames."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from PIL import ImageDraw

from dfs_store.pictures.drawing import Colour, Theme, font, step_colour, write_text

__all__ = ["LegendItem", "draw_corner", "draw_legend", "legend_height", "legend_lines"]

_TEXT = 12
_LINE = _TEXT + 8
_GAP, _SPACE = 6, 24
_RAMP = 60
_BORDER = 3


class LegendItem(NamedTuple):
    """An entry of the legend.

    Attributes:
        text: meaning of the mark.
        mark: mark before the text ("steps" is a ramp of colours); None for no mark.
        colour: colour of the mark; None for "steps" or no mark.
    """

    text: str
    mark: Literal["border", "box", "line", "bar", "corner", "steps"] | None = None
    colour: Colour | None = None

    @property
    def mark_width(self) -> int:
        """Width of the mark in pixels."""
        return 0 if self.mark is None else (_RAMP if self.mark == "steps" else _TEXT) + _GAP

    @property
    def width(self) -> int:
        """Width of the mark and the text in pixels."""
        return self.mark_width + round(font(_TEXT).getlength(self.text))


def legend_lines(items: Sequence[LegendItem], width: int) -> list[list[LegendItem]]:
    """Divides the entries into lines of at most `width` pixels. A wider entry has a line of its own."""
    lines: list[list[LegendItem]] = []
    used = 0
    for item in items:
        if not lines or used + _SPACE + item.width > width:
            lines.append([])
            used = 0
        used += item.width + (_SPACE if lines[-1] else 0)
        lines[-1].append(item)
    return lines


def draw_legend(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], lines: Sequence[Sequence[LegendItem]], theme: Theme
) -> None:
    """Draws a legend with its upper left corner at `place`."""
    for number, line in enumerate(lines):
        left, top = place[0], place[1] + number * _LINE
        for item in line:
            _draw_mark(draw, left, top, item)
            write_text(draw, (left + item.mark_width, top), item.text, theme.faint, size=_TEXT)
            left += item.width + _SPACE


def legend_height(lines: Sequence[Sequence[LegendItem]]) -> int:
    """Returns the height of a legend in pixels."""
    return len(lines) * _LINE


def draw_corner(draw: ImageDraw.ImageDraw, place: tuple[int, int], size: int, colour: Colour) -> None:
    """Draws a triangle with a light edge at `place`, the upper right corner of a tile."""
    right, top = place
    edge, inner = size + 3, size
    draw.polygon([(right - edge, top), (right, top), (right, top + edge)], fill=(255, 255, 255))
    draw.polygon([(right - inner, top), (right, top), (right, top + inner)], fill=colour)


def _draw_mark(draw: ImageDraw.ImageDraw, left: int, top: int, item: LegendItem) -> None:
    right, middle = left + _TEXT, top + _TEXT // 2 + 1
    if item.mark == "steps":
        for column in range(_RAMP):
            colour = step_colour(column / (_RAMP - 1))
            draw.line((left + column, top + 1, left + column, top + _TEXT), fill=colour)
    elif item.mark == "border":
        draw.rectangle((left, top + 1, right, top + 1 + _TEXT), outline=item.colour, width=_BORDER)
    elif item.mark == "box":
        draw.rectangle((left, middle - 4, right, middle + 4), fill=item.colour)
    elif item.mark == "line":
        draw.line((left, middle, right, middle), fill=item.colour)
    elif item.mark == "corner" and item.colour is not None:
        draw_corner(draw, (right, top + 1), _TEXT, item.colour)
    elif item.mark == "bar":
        draw.rectangle((left, middle, right, middle + 2), fill=item.colour)
