"""Contact sheets: a row per clip, a column per position, and key-frame borders coloured by step."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dfs_store.pictures.clip import PicturedClip
from dfs_store.pictures.drawing import LIGHT, Colour, Theme, fitted, mixed, shortened, step_colour, write_text
from dfs_store.pictures.legend import LegendItem, draw_corner, draw_legend, legend_height, legend_lines

__all__ = ["LABEL_WIDTH", "MARGIN", "Rebuilt", "SheetStyle", "contact_sheet", "sheet_items", "sheet_pages"]

Frame: TypeAlias = npt.NDArray[np.uint8]
Rebuilt = Literal["dim", "blank", "noise", "full"]

MARGIN = 16
_GAP = 4  # between tiles, with room for two borders
_BORDER = 3
LABEL_WIDTH = 168
_TEXT, _SMALL = 14, 12
_MOST_COLUMNS = 24  # longer clips continue on the next line
_WIDTH = 1920 - 2 * MARGIN - LABEL_WIDTH  # available for the tiles of a line
_SMALLEST, _LARGEST = 56, 128  # pixels of the longer side of a tile
_PAGE_HEIGHT = 2400
_DIM = 0.30  # share of colour left in a dimmed frame
_REBUILT_WORDS: dict[Rebuilt, str] = {
    "dim": "rebuilt frames dimmed",
    "blank": "rebuilt frames not shown",
    "noise": "rebuilt frames shown as noise",
    "full": "rebuilt frames without borders",
}


@dataclass(frozen=True)
class SheetStyle:
    """Appearance of a contact sheet.

    Attributes:
        rebuilt: how rebuilt frames are drawn: "dim", "blank", "noise" (as in the paper's Figures C and D) or
            "full".
        steps: number of steps in the run, which sets the range of border colours; None if unknown.
        theme: colours of the sheet.
        heading: heading of the sheet.
    """

    rebuilt: Rebuilt = "dim"
    steps: int | None = None
    theme: Theme = LIGHT
    heading: str = ""


@dataclass(frozen=True)
class _Grid:
    """Layout of the T tiles of a clip, in lines of `columns` tiles."""

    columns: int
    lines: int
    tile: tuple[int, int]

    @property
    def line_height(self) -> int:
        # Positions are written above the first row of a page, or above every line if a clip takes several.
        return self.tile[1] + _GAP + (_SMALL + 4 if self.lines > 1 else 0)

    @property
    def row_height(self) -> int:
        return max(self.lines * self.line_height, 3 * (_TEXT + 4)) + _GAP

    @property
    def width(self) -> int:
        return 2 * MARGIN + LABEL_WIDTH + self.columns * (self.tile[0] + _GAP)


def _grid(num_frames: int, height: int, width: int) -> _Grid:
    columns = min(num_frames, _MOST_COLUMNS)
    room = min(_LARGEST, max(_SMALLEST, _WIDTH // columns - _GAP))
    longest = max(height, width)
    if longest <= room:
        times = max(1, room // longest)  # integer factors keep pixels sharp
        tile = (width * times, height * times)
    else:
        tile = (max(1, round(width * room / longest)), max(1, round(height * room / longest)))
    return _Grid(columns, -(-num_frames // columns), tile)


def sheet_pages(num_clips: int, frames_shape: tuple[int, int, int], rows: int | None = None) -> list[range]:
    """Divides clips into pages of legible height.

    Args:
        num_clips: number of clips, each of which has a row.
        frames_shape: shape of a clip, (T, H, W).
        rows: rows per page; if None, as many as fit in a height of about 2400 pixels.

    Returns:
        The rows on each page, divided as evenly as possible.
    """
    most = rows or max(1, _PAGE_HEIGHT // _grid(*frames_shape).row_height)
    pages = max(1, -(-num_clips // most))
    bounds = [round(number * num_clips / pages) for number in range(pages + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]


def contact_sheet(
    clips: Sequence[PicturedClip],
    style: SheetStyle | None = None,
    items: Sequence[LegendItem] | None = None,
) -> Image.Image:
    """Draws one page of a contact sheet.

    Args:
        clips: at least one clip, all of the same shape (T, H, W).
        style: appearance of the sheet.
        items: entries of the legend; if None, the entries that the clips need.

    Returns:
        An RGB image.
    """
    style = with_steps(style or SheetStyle(), clips)
    shape = clips[0].pixels.shape
    grid = _grid(*shape[:3])
    top = MARGIN + (_TEXT + 12 if style.heading else 0) + (_SMALL + 6 if grid.lines == 1 else 0)
    width, left = max(grid.width, 480), MARGIN + LABEL_WIDTH
    legend = legend_lines(items if items is not None else sheet_items(clips, style), width - left - MARGIN)
    size = (width, top + len(clips) * grid.row_height + 12 + legend_height(legend) + MARGIN)
    sheet = Image.new("RGB", size, style.theme.background)
    draw = ImageDraw.Draw(sheet)
    if style.heading:
        heading = shortened(style.heading, size[0] - 2 * MARGIN, _TEXT)
        write_text(draw, (MARGIN, MARGIN), heading, style.theme.text, size=_TEXT)
    if grid.lines == 1:
        _write_positions(draw, grid, top - _SMALL - 6, range(shape[0]), style.theme)
    for number, clip in enumerate(clips):
        _draw_row(sheet, draw, grid, top + number * grid.row_height, clip, style)
    draw_legend(draw, (left, top + len(clips) * grid.row_height + 12), legend, style.theme)
    return sheet


def _places(grid: _Grid, top: int, number: int) -> Iterator[tuple[int, int]]:
    headroom = _SMALL + 4 if grid.lines > 1 else 0
    for tile in range(number):
        line, column = divmod(tile, grid.columns)
        left = MARGIN + LABEL_WIDTH + column * (grid.tile[0] + _GAP)
        yield left, top + line * grid.line_height + headroom


def _write_positions(
    draw: ImageDraw.ImageDraw, grid: _Grid, top: int, positions: Sequence[int], theme: Theme
) -> None:
    for column, position in enumerate(positions):
        middle = MARGIN + LABEL_WIDTH + column * (grid.tile[0] + _GAP) + grid.tile[0] / 2
        write_text(draw, (middle, top), str(position), theme.faint, size=_SMALL, anchor="ma")


def _draw_row(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    grid: _Grid,
    top: int,
    clip: PicturedClip,
    style: SheetStyle,
) -> None:
    theme = style.theme
    lines, fit = clip.title.split("\n"), grid.row_height // (_TEXT + 4) - 2
    if len(lines) > fit:
        lines[fit - 1 :] = [", ".join(lines[fit - 1 :])]
    for line, text in enumerate((clip.class_name, *lines, clip.count_text)):
        size, colour = (_TEXT, theme.text) if line == 0 else (_SMALL, theme.faint)
        label = shortened(text, LABEL_WIDTH - 12, size)
        write_text(draw, (MARGIN, top + 2 + line * (_TEXT + 4)), label, colour, size=size)
    shown = clip.shown_positions
    if grid.lines > 1:
        for line in range(grid.lines):
            positions = shown[line * grid.columns : (line + 1) * grid.columns]
            _write_positions(draw, grid, top + line * grid.line_height, positions, theme)
    steps = clip.steps_by_position()
    stand_in = _stand_in(clip, style)
    for position, pixels, (left, upper) in zip(
        shown, clip.pixels, _places(grid, top, len(shown)), strict=True
    ):
        rebuilt = stand_in(pixels)
        if position in steps:
            box = (left - _BORDER, upper - _BORDER, left + grid.tile[0] + 2, upper + grid.tile[1] + 2)
            draw.rectangle(box, fill=border_colour(steps[position], style))
            sheet.paste(fitted(pixels, *grid.tile), (left, upper))
            if clip.is_late(steps[position]):
                size = max(10, min(grid.tile) // 4)
                draw_corner(draw, (box[2], box[1]), size, border_colour(steps[position], style))
        elif rebuilt is not None:
            sheet.paste(fitted(rebuilt, *grid.tile), (left, upper))
        else:
            box = (left, upper, left + grid.tile[0] - 1, upper + grid.tile[1] - 1)
            draw.rectangle(box, outline=mixed(theme.faint, theme.background, 0.35))


def _stand_in(clip: PicturedClip, style: SheetStyle) -> Callable[[Frame], Frame | None]:
    """Returns a function that maps a rebuilt frame (H, W, 3) to the frame to draw, or None for no frame."""
    if style.rebuilt == "full" or clip.flat:
        return lambda frame: frame
    if style.rebuilt == "blank":
        return lambda _: None
    background = np.array(style.theme.background, np.float32)
    generator = np.random.default_rng(0)  # the same noise in every picture

    def noise(frame: Frame) -> Frame:
        return np.clip(np.rint(generator.normal(127.5, 50, frame.shape)), 0, 255).astype(np.uint8)

    def dimmed(frame: Frame) -> Frame:
        found: Frame = np.rint(background + _DIM * (frame - background)).astype(np.uint8)
        return found

    return noise if style.rebuilt == "noise" else dimmed


def border_colour(step: int | None, style: SheetStyle) -> Colour:
    """Returns the border colour for a step of insertion; neutral for initial key frames and unknown steps."""
    if step is None or step < 0:
        return style.theme.initial
    return step_colour(step / max(1, (style.steps or 1) - 1))


def with_steps(style: SheetStyle, clips: Sequence[PicturedClip]) -> SheetStyle:
    """Returns the style. If its number of steps is unknown, it is set from the clips' last insertion."""
    if style.steps is not None:
        return style
    last = (int(clip.inserted_at.max()) for clip in clips if clip.inserted_at is not None)
    return replace(style, steps=max(last, default=0) + 1)


def sheet_items(clips: Sequence[PicturedClip], style: SheetStyle) -> list[LegendItem]:
    """Returns the entries of the legend for a contact sheet."""
    return [*legend_of(clips, style, "border"), LegendItem(_REBUILT_WORDS[style.rebuilt])]


def legend_of(
    clips: Sequence[PicturedClip], style: SheetStyle, mark: Literal["border", "box"]
) -> list[LegendItem]:
    """Returns the entries of the legend for key frames, which are marked by borders or boxes."""
    inserted = any(clip.inserted_at is not None and (clip.inserted_at >= 0).any() for clip in clips)
    items = [LegendItem("initial key frame" if inserted else "key frame", mark, style.theme.initial)]
    if inserted:
        items.append(LegendItem(f"inserted at step 0 to {(style.steps or 1) - 1:,}", "steps"))
    if mark == "border" and any(
        clip.is_late(step) for clip in clips for step in clip.steps_by_position().values()
    ):
        items.append(LegendItem("inserted late, in the last fifth of the steps", "corner", step_colour(1.0)))
    return items
