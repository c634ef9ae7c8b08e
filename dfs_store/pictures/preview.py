"""Every kind of picture of a store, from the store alone."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from dfs_store.errors import SettingsError
from dfs_store.format import KeyFrameStore
from dfs_store.format.source_paths import source_name
from dfs_store.names import known_name
from dfs_store.pictures.charts import Phases, chart_bytes, cosine_map, insertion_timeline, storage_per_class
from dfs_store.pictures.clip import MOST_SHOWN, PicturedClip, pictured
from dfs_store.pictures.contact_sheet import Rebuilt, SheetStyle, contact_sheet, sheet_pages
from dfs_store.pictures.drawing import THEMES
from dfs_store.pictures.film import FASTEST_FPS, SLOWEST_FPS, FilmCell, film_bytes, film_frames
from dfs_store.shares import floor_share

__all__ = ["Preview", "image_bytes", "store_phases", "store_title"]

Beside = Callable[[PicturedClip], tuple[npt.NDArray[np.uint8], str]]
Flows = Callable[[PicturedClip], list[npt.NDArray[np.uint8]]]

_USUAL_FPS = 8.0
_MOST_FILMED = 2048  # frames are drawn one by one, with a mark for each


class Preview:
    """Draws some clips of an open store.

    Args:
        store: open for reading.
        clips: numbers of the clips, at least one.
        rebuilt: how frames between key frames look in a contact sheet: "dim", "blank", "noise", "full".
        theme: "light" or "dark".
        rows: clips per page of a contact sheet; as many as stay legible when None.

    Raises:
        SettingsError: rebuilt or theme is none of these.
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
        phases = store_phases(store)
        self._style = SheetStyle(
            rebuilt=rebuilt,  # type: ignore[arg-type]
            steps=phases.steps if phases else None,
            theme=self._theme,
            heading=store_title(store),
        )
        shape = (min(store.num_frames, MOST_SHOWN), *store.frame_shape[1:])
        self._pages = {
            "sheet": sheet_pages(len(self.clips), shape, rows),
            # A row of frames and a row of flow per clip.
            "flow": sheet_pages(len(self.clips), shape, rows or _half(sheet_pages(2000, shape)[0])),
        }

    def check_insertion(self) -> None:
        """Raises SettingsError if the store says that nothing was inserted into its clips."""
        method = (self.store.attributes.get("provenance") or {}).get("method")
        if method not in (None, "dfs", "merged"):
            raise SettingsError(
                f"{self.store.path} was made with method {method}, which inserts no key frames: there is "
                "nothing to draw. Only dfs inserts"
            )
        if self.store.provenance_object("config").get("insertion") is False:
            raise SettingsError(
                f"{self.store.path} was condensed without insertion: there is nothing to draw. Condense with "
                "--insertion"
            )

    def num_pages(self, kind: str) -> int:
        """Returns how many pages a picture has."""
        return len(self._pages[kind]) if kind in self._pages else 1

    def sheets(self, flows: Flows | None = None) -> Iterator[Image.Image]:
        """Draws the pages of the contact sheet; with `flows`, a row of optical flow under every clip."""
        if flows is not None:
            self._check_length(MOST_SHOWN, "a sheet with optical flow")
        pages = self._pages["sheet" if flows is None else "flow"]
        for number, page in enumerate(pages):
            rows = []
            for clip in self._pictured(page):
                rows += [clip] if flows is None else [clip, _flow_row(clip, flows(clip))]
            of = f"  -  page {number + 1} of {len(pages)}" if len(pages) > 1 else ""
            key = "" if flows is None else "  -  optical flow: red right, green down, cyan left, violet up"
            yield contact_sheet(rows, self._style.with_heading(self._style.heading + key + of))

    def film(self, suffix: str, fps: float | None = None, beside: Beside | None = None) -> bytes:
        """Encodes the clips, in a grid, as ".gif" or ".mp4".

        Args:
            suffix: which of the two.
            fps: frames per second; the store's when None, and 8 where it does not say.
            beside: gives the real clip to show next to one, (T, H, W, 3) uint8, and what it is.
        """
        self._check_length(_MOST_FILMED, "a film")
        cells = [
            FilmCell(clip, *(beside(clip) if beside is not None else ()))
            for clip in self._pictured(range(len(self.clips)), None)
        ]
        rate = fps if fps is not None else min(max(self.store.fps or _USUAL_FPS, SLOWEST_FPS), FASTEST_FPS)
        return film_bytes(film_frames(cells, self._style), suffix, rate)

    def timeline(self, suffix: str) -> bytes:
        """Draws when which position was inserted.

        Raises:
            SettingsError: the store does not say, or none was.
        """
        steps = [self.store.inserted_at(clip) for clip in self.clips]
        self.check_insertion()
        if steps[0] is None:
            raise SettingsError(
                f"{self.store.path} does not say at which steps key frames were inserted; stores of the "
                "method dfs do"
            )
        figure = insertion_timeline(
            np.concatenate([found for found in steps if found is not None]),
            np.concatenate([self.store.positions(clip) for clip in self.clips]).astype(np.uint16),
            len(self.clips),
            self.store.num_frames,
            store_phases(self.store),
            self.store.class_names,
            np.repeat(
                self.store.labels[self.clips], [len(self.store.positions(clip)) for clip in self.clips]
            ),
            title=self._style.heading,
            theme=self._theme,
        )
        return chart_bytes(figure, suffix)

    def storage(self, suffix: str) -> bytes:
        """Draws what every class takes, of the clips chosen."""
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
        """Draws the cosine map of the first clip chosen.

        Args:
            suffix: ".png", ".svg" or ".pdf".
            events: lines of the log of the run.

        Raises:
            SettingsError: the log holds no cosines of the clip.
        """
        self.check_insertion()
        clip = self.clips[0]
        rows = [
            (line["step"], [math.nan if score is None else score for score in line["cosines"][str(clip)]])
            for line in events
            if _tells_cosines(line, str(clip), self.store.num_frames)
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

    def _check_length(self, most: int, what: str) -> None:
        self.store.check_clip_bytes(self.store.num_frames)
        if self.store.num_frames > most:
            raise SettingsError(
                f"{what} shows clips of at most {most:,} frames, and those of {self.store.path} have "
                f"{self.store.num_frames:,}; `dfs export --to videos` writes clips of any length"
            )

    def _pictured(self, numbers: Sequence[int], most: int | None = MOST_SHOWN) -> Iterator[PicturedClip]:
        return (pictured(self.store, self.clips[number], most) for number in numbers)


def image_bytes(pages: Sequence[Image.Image], suffix: str) -> bytes:
    """Encodes images as ".png" (one) or ".pdf" (a page each)."""
    data = io.BytesIO()
    if suffix == ".pdf":
        pages[0].save(data, "PDF", save_all=True, append_images=pages[1:], resolution=100)
    else:
        pages[0].save(data, "PNG")
    return data.getvalue()


def store_title(store: KeyFrameStore) -> str:
    """Returns a store in a line: its name, method, dataset and vpc as far as it says so."""
    provenance = store.attributes.get("provenance") or {}
    known = [source_name(str(provenance[key])) for key in ("method", "dataset") if provenance.get(key)]
    if provenance.get("vpc"):
        known.append(f"VPC {provenance['vpc']}")
    name = str(store.path).rstrip("/").rpartition("/")[2]
    return f"{name}: {', '.join(known)}" if known else name


def store_phases(store: KeyFrameStore) -> Phases | None:
    """Returns the phases of the run that made a store, None where it does not say or did not insert.

    Steps floor(warmup*n) to n - floor(cooldown*n) - 1 insert.
    """
    config = store.provenance_object("config")
    steps, warmup, cooldown = (config.get(key) for key in ("iterations", "warmup", "cooldown"))
    if not isinstance(steps, int) or not 0 < steps < 2**31 or config.get("insertion") is False:
        return None
    if not isinstance(warmup, int | float) or not isinstance(cooldown, int | float):
        return None
    if not 0 <= warmup <= 1 or not 0 <= cooldown <= 1:
        return None
    return Phases(floor_share(warmup, steps), steps - floor_share(cooldown, steps), steps)


def _tells_cosines(line: dict[str, Any], clip: str, num_frames: int) -> bool:
    """Whether a line of a log holds the T cosines of a clip at a step."""
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
    # T - 1 frames: the last one has no next frame, and its cell stays blank.
    return PicturedClip(np.stack(flows), clip.positions[:0], None, "", "flow to the next frame", flat=True)


def _half(page: range) -> int:
    return max(1, len(page) // 2)
