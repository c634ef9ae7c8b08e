"""Draws every kind of picture of a store."""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from dfs_store.errors import SettingsError
from dfs_store.format import KeyFrameStore
from dfs_store.format.source_paths import source_name
from dfs_store.names import known_name
from dfs_store.pictures.charts import chart_bytes, cosine_map, insertion_timeline, storage_per_class
from dfs_store.pictures.clip import MOST_SHOWN, PicturedClip, pictured
from dfs_store.pictures.contact_sheet import Rebuilt, SheetStyle, contact_sheet, sheet_pages
from dfs_store.pictures.drawing import THEMES
from dfs_store.pictures.film import FASTEST_FPS, SLOWEST_FPS, FilmCell, film_bytes, film_frames
from dfs_store.pictures.making import Moment, making_frames
from dfs_store.pictures.phases import Phases, store_phases

__all__ = ["FLOW_COLOURS", "Preview", "image_bytes", "rows_of_stores", "store_title"]

Beside = Callable[[PicturedClip], tuple[npt.NDArray[np.uint8], str]]
Flows = Callable[[PicturedClip], list[npt.NDArray[np.uint8]]]

FLOW_COLOURS = "red right, green up, cyan left, violet down"
_USUAL_FPS = 8.0
_LOCAL = {"dataset", "test_list", "class_names"}  # settings with paths relative to each store
_MOST_FILMED = 2048  # frames, which are drawn one by one with a mark for each


class Preview:
    """Draws some clips of an open store.

    Args:
        store: the store, open for reading.
        clips: numbers of the clips, at least one.
        rebuilt: how rebuilt frames are drawn in a contact sheet: "dim", "blank", "noise" or "full".
        theme: "light" or "dark".
        rows: clips per page of a contact sheet; if None, as many as are legible.

    Raises:
        SettingsError: `rebuilt` or `theme` is unknown.
    """

    def __init__(
        self,
        store: KeyFrameStore,
        clips: Sequence[int],
        *,
        rebuilt: str = "dim",
        theme: str = "light",
        rows: int | None = None,
    ) -> None:
        known_name(rebuilt, get_args(Rebuilt), "--rebuilt")
        known_name(theme, THEMES, "--theme")
        self.store, self.clips = store, list(clips)
        self._theme = THEMES[theme]
        self._phases = phases = store_phases(store)
        self._style = SheetStyle(
            rebuilt=rebuilt,  # type: ignore[arg-type]
            steps=phases.steps if phases else None,
            theme=self._theme,
            heading=store_title(store),
        )
        shape = (min(store.num_frames, MOST_SHOWN), *store.frame_shape[1:])
        legible = len(sheet_pages(2000, shape)[0])
        self._pages = {
            "sheet": sheet_pages(len(self.clips), shape, rows),
            # Each clip has a row of frames and a row of flow.
            "flow": sheet_pages(len(self.clips), shape, rows or max(1, legible // 2)),
        }

    def check_insertion(self) -> None:
        """Raises SettingsError if the store records that nothing was inserted into its clips."""
        method = self.store.provenance.get("method")
        if method not in (None, "dfs", "merged"):
            raise SettingsError(
                f"{self.store.path} was made with method {method}, which does not insert key frames, so "
                "there is nothing to draw; use a store made with method dfs"
            )
        if self.store.provenance_object("config").get("insertion") is False:
            raise SettingsError(
                f"{self.store.path} was condensed without insertion, so there is nothing to draw; condense "
                "with --insertion"
            )

    def num_pages(self, kind: str) -> int:
        """Returns the number of pages of a kind of picture."""
        return len(self._pages[kind]) if kind in self._pages else 1

    def sheets(self, flows: Flows | None = None) -> Iterator[Image.Image]:
        """Draws the pages of the contact sheet, with a row of `flows` below every clip if they are given."""
        if flows is not None:
            self._check_length(MOST_SHOWN, "a sheet with optical flow")
        pages = self._pages["sheet" if flows is None else "flow"]
        for number, page in enumerate(pages):
            rows = []
            for clip in self.pictured_clips(page):
                rows += [clip] if flows is None else [clip, _flow_row(clip, flows(clip))]
            of = f"  -  page {number + 1} of {len(pages)}" if len(pages) > 1 else ""
            key = "" if flows is None else f"  -  optical flow: {FLOW_COLOURS}"
            yield contact_sheet(rows, replace(self._style, heading=self._style.heading + key + of))

    def film(self, suffix: str, fps: float | None = None, beside: Beside | None = None) -> bytes:
        """Encodes a film of the clips in a grid.

        Args:
            suffix: ".gif" or ".mp4".
            fps: frames per second; if None, the rate of the store, or 8 if it has none.
            beside: returns a real clip to show next to a clip, (T, H, W, 3) uint8, and its title.
        """
        self._check_length(_MOST_FILMED, "a film")
        cells = [
            FilmCell(clip, *(beside(clip) if beside is not None else ()))
            for clip in self.pictured_clips(range(len(self.clips)), None)
        ]
        rate = fps if fps is not None else min(max(self.store.fps or _USUAL_FPS, SLOWEST_FPS), FASTEST_FPS)
        return film_bytes(film_frames(cells, self._style), suffix, rate)

    def making(self, suffix: str, snapshots: Mapping[int, KeyFrameStore], fps: float | None = None) -> bytes:
        """Encodes a film that shows how the clips were made.

        Args:
            suffix: ".gif" or ".mp4".
            snapshots: snapshots of the run in order, by the number of completed steps. Each is a store of
                some clips, whose numbers are in its provenance (see `dfs_store.condense.runtime.snapshots`).
            fps: frames per second; if None, the film lasts about six seconds.

        Raises:
            SettingsError: the snapshots do not contain one of the clips.
        """
        rate = fps if fps is not None else min(max(len(snapshots) / 6, 4.0), 20.0)
        moments, steps = [], 1
        for steps_done, store in snapshots.items():
            about = store.provenance_object("snapshot")
            kept, steps = list(about["clips"]), int(about["iterations"])
            if missing := sorted(set(self.clips) - set(kept)):
                raise SettingsError(
                    f"the snapshots of {self.store.path} contain only the clips {', '.join(map(str, kept))}, "
                    f"not {missing[0]}; choose some of these with --clips"
                )
            clips = [replace(pictured(store, kept.index(clip)), title=f"clip {clip}") for clip in self.clips]
            moments.append(Moment(steps_done, [self._marked(clip) for clip in clips]))
        phases = self._phases or Phases(0, 0, steps)
        return film_bytes(making_frames(moments, phases, self._style, rate), suffix, rate)

    def timeline(self, suffix: str) -> bytes:
        """Encodes a chart of the step and the position of every insertion.

        Raises:
            SettingsError: the store does not record the steps, or nothing was inserted.
        """
        steps = [self.store.inserted_at(clip) for clip in self.clips]
        self.check_insertion()
        if steps[0] is None:
            raise SettingsError(
                f"{self.store.path} does not record the steps at which key frames were inserted; use a "
                "store made with method dfs"
            )
        positions = [self.store.positions(clip) for clip in self.clips]
        figure = insertion_timeline(
            np.concatenate([found for found in steps if found is not None]),
            np.concatenate(positions).astype(np.uint16),
            len(self.clips),
            self.store.num_frames,
            self._phases,
            self.store.class_names,
            np.repeat(self.store.labels[self.clips], [len(each) for each in positions]),
            title=self._style.heading,
            theme=self._theme,
        )
        return chart_bytes(figure, suffix)

    def storage(self, suffix: str) -> bytes:
        """Encodes a chart of the chosen clips' storage, by class."""
        store, keys = self.store, np.diff(self.store.offsets)
        frame = int(np.prod(store.frame_shape))
        labels, number = store.labels[self.clips], len(store.class_names)
        stored = np.bincount(labels, weights=keys[self.clips], minlength=number).astype(np.int64)
        clips = np.bincount(labels, minlength=number).astype(np.int64)
        present = np.flatnonzero(clips) if clips.any() and len(self.clips) < len(store) else np.arange(number)
        figure = storage_per_class(
            [store.class_names[label] for label in present],
            stored[present] * frame * np.dtype(store.dtype).itemsize,
            clips[present] * store.num_frames * frame * 4,
            title=self._style.heading,
            theme=self._theme,
        )
        return chart_bytes(figure, suffix)

    def cosines(self, suffix: str, events: Sequence[dict[str, Any]]) -> bytes:
        """Encodes the cosine map of the first chosen clip.

        Args:
            suffix: ".png", ".svg" or ".pdf".
            events: lines of the run's log.

        Raises:
            SettingsError: the log does not contain the cosines of the clip.
        """
        self.check_insertion()
        clip = self.clips[0]
        rows = [
            (line["step"], [math.nan if score is None else score for score in line["cosines"][str(clip)]])
            for line in events
            if _has_cosines(line, str(clip), self.store.num_frames)
        ]
        steps = self.store.inserted_at(clip)
        inserted = (
            [] if steps is None else zip(steps.tolist(), self.store.positions(clip).tolist(), strict=True)
        )
        epsilon = self.store.provenance_object("config").get("epsilon")
        name = self.store.class_names[int(self.store.labels[clip])]
        figure = cosine_map(
            np.array([step for step, _ in rows], np.int64),
            np.array([scores for _, scores in rows], np.float64).reshape(len(rows), self.store.num_frames),
            [(step, position) for step, position in inserted if step >= 0],
            epsilon if isinstance(epsilon, int | float) else 0.0,
            title=f"{self._style.heading}: clip {clip}, {name}",
            theme=self._theme,
        )
        return chart_bytes(figure, suffix)

    @property
    def steps(self) -> int | None:
        """Number of steps in the run that made the store; None if unknown, or if nothing was inserted."""
        return self._style.steps

    def pictured_clips(self, numbers: Sequence[int], most: int | None = MOST_SHOWN) -> Iterator[PicturedClip]:
        """Yields some of the chosen clips as pixels, with late insertions marked.

        Args:
            numbers: indices into the chosen clips.
            most: maximum number of frames per clip, see `pictured`.
        """
        return (self._marked(pictured(self.store, self.clips[number], most)) for number in numbers)

    def _check_length(self, most: int, what: str) -> None:
        self.store.check_clip_bytes(self.store.num_frames)
        if self.store.num_frames > most:
            raise SettingsError(
                f"{what} can show clips of at most {most:,} frames, but the clips of {self.store.path} have "
                f"{self.store.num_frames:,}; use `dfs export --to videos`, which writes clips of any length"
            )

    def _marked(self, clip: PicturedClip) -> PicturedClip:
        return clip if self._phases is None else replace(clip, late_from=self._phases.late_from)


def rows_of_stores(
    stores: Sequence[KeyFrameStore],
    clips: Sequence[Sequence[int]],
    *,
    rebuilt: str = "dim",
    theme: str = "light",
) -> Image.Image:
    """Draws the same clips of several stores, with a row per clip and store.

    A row is labelled with its store and the settings in which the stores differ.

    Args:
        stores: at least one store; all clips must have the same shape.
        clips: numbers of the clips to draw from each store, with equally many clips for every store.
        rebuilt: see `Preview`.
        theme: see `Preview`.

    Raises:
        SettingsError: the stores have clips of different shapes.
    """
    previews = [Preview(*each, rebuilt=rebuilt, theme=theme) for each in zip(stores, clips, strict=True)]
    shapes = {(store.num_frames, *store.frame_shape): store.path for store in stores}
    if len(shapes) > 1:
        (one, first), (other, second) = list(shapes.items())[:2]
        raise SettingsError(
            f"all stores must have clips of the same shape, got {_shape_text(one)} in {first} and "
            f"{_shape_text(other)} in {second}"
        )
    words, several = _differences(stores), len(clips[0]) > 1
    rows, headings = [], []
    for number in range(len(clips[0])):
        for preview, differing in zip(previews, words, strict=True):
            (clip,) = preview.pictured_clips([number])
            what = f"{clip.class_name}, {clip.title}"
            headings.append(what)
            title = what if several or not differing else differing
            rows.append(replace(clip, class_name=_name(preview.store), title=title))
    steps = [preview.steps for preview in previews if preview.steps is not None]
    heading = store_title(stores[0]).partition(": ")[2]
    heading = ": ".join(filter(None, (heading, "" if several else headings[0])))
    style = SheetStyle(rebuilt, max(steps, default=None), THEMES[theme], heading)  # type: ignore[arg-type]
    return contact_sheet(rows, style)


def _shape_text(shape: Sequence[int]) -> str:
    frames, _channels, height, width = shape
    return f"{frames}x{height}x{width}"


def _differences(stores: Sequence[KeyFrameStore]) -> list[str]:
    configs = [store.provenance_object("config") for store in stores]
    names = sorted({name for config in configs for name in config} - _LOCAL)
    differing = [name for name in names if len({repr(config.get(name)) for config in configs}) > 1]
    return ["\n".join(f"{name} {config.get(name)}" for name in differing) for config in configs]


def _name(store: KeyFrameStore) -> str:
    return str(store.path).rstrip("/").rpartition("/")[2]


def image_bytes(pages: Sequence[Image.Image], suffix: str) -> bytes:
    """Encodes images as ".png" (one image) or ".pdf" (one page per image)."""
    data = io.BytesIO()
    if suffix == ".pdf":
        pages[0].save(data, "PDF", save_all=True, append_images=pages[1:], resolution=100)
    else:
        pages[0].save(data, "PNG")
    return data.getvalue()


def store_title(store: KeyFrameStore) -> str:
    """Returns one line with the name of a store and, if known, its method, dataset and VPC."""
    provenance = store.provenance
    known = [source_name(str(provenance[key])) for key in ("method", "dataset") if provenance.get(key)]
    if provenance.get("vpc"):
        known.append(f"VPC {provenance['vpc']}")
    return f"{_name(store)}: {', '.join(known)}" if known else _name(store)


def _has_cosines(line: dict[str, Any], clip: str, num_frames: int) -> bool:
    cosines = line.get("cosines")
    scores = cosines.get(clip) if isinstance(cosines, dict) else None
    return (
        line.get("event") == "step_done"
        and isinstance(line.get("step"), int)
        and isinstance(scores, list)
        and len(scores) == num_frames
        and all(score is None or isinstance(score, int | float) for score in scores)
    )


def _flow_row(clip: PicturedClip, flows: list[npt.NDArray[np.uint8]]) -> PicturedClip:
    # There are T - 1 frames. The cell of the last frame stays blank, because it has no next frame.
    return PicturedClip(np.stack(flows), clip.positions[:0], None, "", "flow to the next frame", flat=True)
