"""Films of rebuilt clips as GIF or MP4, each clip above a strip that shows its key positions."""

import io
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dfs_store.errors import SettingsError
from dfs_store.pictures.clip import PicturedClip
from dfs_store.pictures.contact_sheet import SheetStyle, border_colour, legend_of, with_steps
from dfs_store.pictures.drawing import fitted, shortened, write_text
from dfs_store.pictures.legend import LegendItem, draw_legend, legend_height, legend_lines

__all__ = ["FASTEST_FPS", "FILM_SUFFIXES", "SLOWEST_FPS", "FilmCell", "film_bytes", "film_frames"]

FILM_SUFFIXES = (".gif", ".mp4")

_MARGIN = 12
_SIDE = 224  # approximate height and width of a clip in pixels
_LARGEST_SIDE = 480
_MOST_GIF_PIXELS = 300_000_000  # in all frames together; needs about 100 MB on disk and 2 GB of memory
_PALETTE_FRAMES = 32
_TEXT, _SMALL = 14, 12
_STRIP = 18
_MP4_REPEATS_UNTIL_SECONDS = 4.0  # most players do not loop
SLOWEST_FPS, FASTEST_FPS = 0.1, 60.0


@dataclass(frozen=True, eq=False)
class FilmCell:
    """A clip in a film.

    Attributes:
        clip: the rebuilt clip.
        beside: a real clip to show next to it, (T, H, W, 3) uint8, or None.
        beside_title: title of the real clip.
    """

    clip: PicturedClip
    beside: npt.NDArray[np.uint8] | None = None
    beside_title: str = ""


def film_frames(cells: Sequence[FilmCell], style: SheetStyle | None = None) -> Iterator[Image.Image]:
    """Draws the T frames of a film, with its clips in a grid.

    Args:
        cells: the clips, at least one, all with the same shape.
        style: appearance of the film; the default style if None.

    Yields:
        RGB images of the same size, with even sides.
    """
    style = with_steps(style or SheetStyle(), [cell.clip for cell in cells])
    length, height, width = cells[0].clip.pixels.shape[:3]
    tile = _tile(height, width)
    pictures = 2 if any(cell.beside is not None for cell in cells) else 1
    cell_width = max(pictures * (tile[0] + _MARGIN), 240)  # wide enough for any entry of the legend
    cell_height = tile[1] + 2 * (_TEXT + 4) + _STRIP + 2 * _MARGIN
    columns = max(1, math.ceil(math.sqrt(len(cells) / pictures)))
    rows = -(-len(cells) // columns)
    width = _MARGIN + columns * cell_width
    items = [
        *legend_of([cell.clip for cell in cells], style, "box"),
        LegendItem("rebuilt", "line", style.theme.faint),
        LegendItem("shown now", "bar", style.theme.text),
    ]
    legend = legend_lines(items, width - 2 * _MARGIN)
    below = _MARGIN + rows * cell_height
    size = (_even(width), _even(below + legend_height(legend) + _MARGIN))
    for time in range(length):
        image = Image.new("RGB", size, style.theme.background)
        draw = ImageDraw.Draw(image)
        for number, cell in enumerate(cells):
            row, column = divmod(number, columns)
            place = (_MARGIN + column * cell_width, _MARGIN + row * cell_height)
            _draw_cell(image, draw, place, tile, cell, time, style, cell_width - _MARGIN)
        draw_legend(draw, (_MARGIN, below), legend, style.theme)
        yield image


def _tile(height: int, width: int) -> tuple[int, int]:
    """Returns (width, height) of a clip, enlarged by an integer factor or reduced to at most 480 pixels."""
    longest = max(height, width)
    if longest > _LARGEST_SIDE:
        share = _LARGEST_SIDE / longest
        return max(1, round(width * share)), max(1, round(height * share))
    times = max(1, round(_SIDE / longest))
    return width * times, height * times


def _draw_cell(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    tile: tuple[int, int],
    cell: FilmCell,
    time: int,
    style: SheetStyle,
    width: int,
) -> None:
    theme, clip, (left, top) = style.theme, cell.clip, place
    upper = top + 2 * (_TEXT + 4)

    def panel(left: int, room: int, title: str, about: str, frame: npt.NDArray[np.uint8]) -> None:
        write_text(draw, (left, top), shortened(title, room, _TEXT), theme.text, size=_TEXT)
        about = shortened(about, room, _SMALL)
        write_text(draw, (left, top + _TEXT + 4), about, theme.faint, size=_SMALL)
        image.paste(fitted(frame, *tile), (left, upper))

    room = tile[0] if cell.beside is not None else width
    panel(left, room, clip.class_name, f"{clip.title}: {clip.count_text}", clip.pixels[time])
    _draw_strip(draw, (left, upper + tile[1] + 6), tile[0], clip, time, style)
    if cell.beside is not None:
        frame = cell.beside[min(time, len(cell.beside) - 1)]
        panel(left + tile[0] + _MARGIN, tile[0], "nearest real clip", cell.beside_title, frame)


def _draw_strip(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    width: int,
    clip: PicturedClip,
    time: int,
    style: SheetStyle,
) -> None:
    """Draws a box for each key position, coloured by its step of insertion, and marks the current time."""
    left, top = place
    steps = clip.steps_by_position()
    for position in range(clip.num_frames):
        start = left + position * width / clip.num_frames
        stop = max(start + 1, left + (position + 1) * width / clip.num_frames - 2)
        if position in steps:
            draw.rectangle((start, top, stop, top + 8), fill=border_colour(steps[position], style))
        else:
            draw.line((start, top + 4, stop, top + 4), fill=style.theme.faint)
        if position == time:
            draw.rectangle((start, top + 11, stop, top + 13), fill=style.theme.text)


def film_bytes(frames: Iterable[Image.Image], suffix: str, fps: float) -> bytes:
    """Encodes the frames of a film as .gif (looping) or .mp4 (H.264).

    An MP4 of less than four seconds is repeated until it is that long.

    Args:
        frames: RGB images of the same size with even sides.
        suffix: ".gif" or ".mp4".
        fps: frames per second, between 0.1 and 60.

    Raises:
        SettingsError: fps or suffix is invalid.
    """
    if not SLOWEST_FPS <= fps <= FASTEST_FPS:
        raise SettingsError(f"--fps must be between {SLOWEST_FPS:g} and {FASTEST_FPS:g}, got {fps:g}")
    if suffix not in FILM_SUFFIXES:
        raise SettingsError(
            f"the file name of a film must end in {' or '.join(FILM_SUFFIXES)}, got {suffix!r}"
        )
    return _gif(frames, fps) if suffix == ".gif" else _mp4(frames, fps)


def _gif(frames: Iterable[Image.Image], fps: float) -> bytes:
    pictures: list[Image.Image] = []
    for frame in frames:
        pictures.append(frame)
        if len(pictures) * frame.width * frame.height > _MOST_GIF_PIXELS:
            raise SettingsError(
                f"a GIF of {len(pictures)} or more frames of {frame.width} x {frame.height} pixels needs too "
                "much memory and disk space; write an .mp4, or choose fewer clips with --clips"
            )
    # One palette is made from a sample of the frames, because a palette per frame would flicker.
    sample = pictures[:: max(1, len(pictures) // _PALETTE_FRAMES)]
    together = Image.new("RGB", (sample[0].width, sample[0].height * len(sample)))
    for number, frame in enumerate(sample):
        together.paste(frame, (0, number * frame.height))
    palette = together.quantize(256, method=Image.Quantize.MEDIANCUT)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in pictures]
    milliseconds = 10 * max(2, round(100 / fps))  # GIF uses hundredths of a second
    data = io.BytesIO()
    indexed[0].save(
        data, "GIF", save_all=True, append_images=indexed[1:], duration=milliseconds, loop=0, disposal=1
    )
    return data.getvalue()


def _mp4(frames: Iterable[Image.Image], fps: float) -> bytes:
    with tempfile.TemporaryDirectory() as folder:  # MP4 needs a seekable file
        path = Path(folder, "film.mp4")
        _write_mp4(frames, path, fps)
        return path.read_bytes()


def _write_mp4(frames: Iterable[Image.Image], path: Path, fps: float) -> None:
    shortest, kept = math.ceil(_MP4_REPEATS_UNTIL_SECONDS * fps), list[Image.Image]()
    count = 0
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"  # supported by browsers and phones
        stream.options = {"crf": "16", "preset": "slow"}

        def show(frame: Image.Image) -> None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame))))

        for frame in frames:
            if not count:
                stream.width, stream.height = frame.size
            count += 1
            if count < shortest:
                kept.append(frame)  # only a short film is repeated
            show(frame)
        for _ in range(math.ceil(shortest / count) - 1):
            for frame in kept:
                show(frame)
        container.mux(stream.encode())


def _even(number: int) -> int:
    return number + number % 2
