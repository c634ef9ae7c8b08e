"""The film that shows how clips were made: a contact sheet per snapshot, below a bar of the run's steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from dfs_store.pictures.clip import PicturedClip
from dfs_store.pictures.contact_sheet import (
    LABEL_WIDTH,
    MARGIN,
    SheetStyle,
    contact_sheet,
    sheet_items,
    with_steps,
)
from dfs_store.pictures.drawing import Theme, mixed, shortened, step_colour, write_text
from dfs_store.pictures.phases import Phases

__all__ = ["Moment", "making_frames"]

_TEXT, _SMALL = 14, 12
_BAR = 14
_HEADER = MARGIN + _TEXT + 10 + _BAR + _SMALL + 8
_FIRST_SECONDS, _LAST_SECONDS = 0.7, 2.0


@dataclass(frozen=True, eq=False)
class Moment:
    """Clips at one moment of a run.

    Attributes:
        steps_done: number of steps completed.
        clips: the clips at that moment.
    """

    steps_done: int
    clips: Sequence[PicturedClip]


def making_frames(
    moments: Sequence[Moment], phases: Phases, style: SheetStyle, fps: float
) -> Iterator[Image.Image]:
    """Draws the frames of a film, one per moment. The first and last moments are shown longer.

    Args:
        moments: at least one moment, in order, all with the same clips.
        phases: phases of the run.
        style: appearance of the sheets. The heading is drawn above the progress bar.
        fps: frames per second of the film.

    Yields:
        RGB images of the same size, with even width and height.
    """
    last = moments[-1].clips
    heading, style = style.heading, with_steps(replace(style, heading=""), last)
    items = sheet_items(last, style)
    for number, moment in enumerate(moments):
        sheet = contact_sheet(moment.clips, style, items)
        width, height = sheet.width + sheet.width % 2, _HEADER + sheet.height
        image = Image.new("RGB", (width, height + height % 2), style.theme.background)
        image.paste(sheet, (0, _HEADER - MARGIN))
        _draw_header(ImageDraw.Draw(image), width, heading, moment, phases, style.theme)
        held = {0: _FIRST_SECONDS, len(moments) - 1: _LAST_SECONDS}.get(number, 0.0)
        for _ in range(max(1, round(held * fps))):
            yield image


def _draw_header(
    draw: ImageDraw.ImageDraw, width: int, heading: str, moment: Moment, phases: Phases, theme: Theme
) -> None:
    now = f"step {moment.steps_done:,} of {phases.steps:,}"
    write_text(draw, (width - MARGIN, MARGIN), now, theme.text, size=_TEXT, anchor="ra")
    title = shortened(heading, width - 2 * MARGIN - 160, _TEXT)
    write_text(draw, (MARGIN, MARGIN), title, theme.text, size=_TEXT)
    left, right, top = MARGIN + LABEL_WIDTH, width - MARGIN - 4, MARGIN + _TEXT + 10

    def at(step: float) -> int:
        return left + round((right - left) * step / phases.steps)

    if phases.first_insertion < phases.end_of_insertion:
        write_text(draw, (MARGIN, top), "key frames inserted", theme.faint, size=_SMALL)
    for name, start, stop in phases.named():
        active = start <= moment.steps_done < stop or (moment.steps_done == stop == phases.steps)
        shade = 0.3 if name == "insertion" else 0.12
        draw.rectangle(
            (at(start), top, at(stop) - 1, top + _BAR), fill=mixed(theme.faint, theme.background, shade)
        )
        place = ((at(start) + at(stop)) // 2, top + _BAR + 3)
        room = at(stop) - at(start) - 4
        colour = theme.text if active else theme.faint
        write_text(draw, place, shortened(name, room, _SMALL), colour, size=_SMALL, anchor="ma")
    for clip in moment.clips:
        for step in clip.steps_by_position().values():
            if step is not None and step >= 0:
                x = at(step + 0.5)
                draw.line(
                    (x, top + 1, x, top + _BAR - 1),
                    fill=step_colour(step / max(1, phases.steps - 1)),
                    width=2,
                )
    cursor = at(moment.steps_done)
    draw.rectangle((cursor - 1, top - 3, cursor + 1, top + _BAR + 3), fill=theme.text)
