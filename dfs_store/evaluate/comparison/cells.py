"""Condenses and evaluates a cell of a comparison (a row with one seed) in its own folder."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event
from dfs_store.condense.plan import plan_run
from dfs_store.condense.run import condense
from dfs_store.condense.runtime.device import resolve_device
from dfs_store.condense.runtime.event_log import EventLog, event_log_path
from dfs_store.evaluate.comparison.rows import Row, config_of, evaluation_of
from dfs_store.evaluate.comparison.spec import Comparison
from dfs_store.evaluate.record import (
    RESULT_SCHEMA,
    WHOLE,
    about_store,
    about_whole,
    result_document,
    test_views,
    training_videos_bytes,
)
from dfs_store.evaluate.run import EvaluationProgress, EvaluationSettings, evaluate
from dfs_store.evaluate.sources import LABELS, clips_of
from dfs_store.format import open_store
from dfs_store.format.io.durable import write_durably
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json
from dfs_store.videos import PrepareProgress, VideoDataset, open_videos
from dfs_store.videos.epochs import VideoClips

__all__ = ["Cell", "SharedClips", "make_cell", "make_store", "write_json"]

Progress = Event | EvaluationProgress | PrepareProgress
STORE, RESULT, FAILURE = "store.zarr", "result.json", "failure.json"


@dataclass(frozen=True)
class Cell:
    """A row with one seed.

    Attributes:
        row: the row, with its condensation and evaluation settings.
        seed: seed of both the condensation and the evaluation.
        folder: folder for the store, its log and the result.
    """

    row: Row
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def store(self) -> str:
        """Path of the store, or `WHOLE`."""
        return WHOLE if self.row.method == WHOLE else str(self.folder / STORE)

    @property
    def failure(self) -> dict[str, Any] | None:
        """Class and message of the error of the last attempt; None if it did not fail."""
        return _read(self.folder / FAILURE)

    def result(self) -> dict[str, Any] | None:
        """Returns the result; None if the cell is not finished."""
        return _read(self.folder / RESULT)

    def fail(self, error: Exception) -> None:
        """Records the error that made the cell fail."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / FAILURE, {"error": type(error).__name__, "reason": str(error)})


class SharedClips:
    """A comparison's real clips, opened once for all cells that share them.

    Args:
        asked: the comparison.
        tell: called with the progress of decoding.
    """

    def __init__(self, asked: Comparison, tell: Callable[[Progress], None]) -> None:
        self._asked, self._tell = asked, tell
        self._opened: dict[str, VideoDataset] = {}

    def train(self, sampling: dict[str, Any]) -> VideoDataset:
        """Returns all training clips, including held-out clips."""
        return self._open("train", sampling)

    def to_test_on(self, sampling: dict[str, Any], settings: EvaluationSettings) -> VideoDataset:
        """Returns the held-out clips if the sampling holds any out, otherwise the test clips."""
        share = sampling["hold_out"]
        if share is not None:
            return self.train(sampling).hold_out(share)[1]
        return self._open("test", sampling, **test_views(self._asked.dataset, settings))

    def of_training(self, sampling: dict[str, Any]) -> VideoDataset:
        """Returns the training clips without held-out clips."""
        share = sampling["hold_out"]
        return self.train(sampling) if share is None else self.train(sampling).hold_out(share)[0]

    def _open(self, part: str, sampling: dict[str, Any], **views: int) -> VideoDataset:
        given = {**opened_with(self._asked, sampling), "split": part, **views}
        key = json.dumps(given)
        if key not in self._opened:
            self._opened[key] = open_videos(self._asked.dataset, on_progress=self._tell, **given)
        return self._opened[key]


def sampling_of(asked: Comparison, row: Row) -> dict[str, Any]:
    """Returns the sampling of the real clips for a row."""
    return {name: row.settings.get(name, value) for name, value in asked.sampling.items()}


def opened_with(asked: Comparison, sampling: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments for `open_videos` that determine the real clips, except their split."""
    names = ("frames", "stride", "size", "classes", "test_list", "class_names", "folder_layout")
    return {
        "root": asked.root,
        **{name: sampling[name] for name in names},
        "official_split": sampling["split"] or 1,
        "decoder": sampling["decoder"] or "auto",
    }


def make_cell(
    cell: Cell, asked: Comparison, clips: SharedClips, tell: Callable[[Progress], None]
) -> dict[str, Any]:
    """Makes the missing parts of a cell and returns its result.

    The store equals the one that `dfs condense` writes with the cell's settings and seed, and the scores
    equal those of `dfs evaluate` with the same seed. An interrupted run resumes from its checkpoint.

    Raises:
        DFSError: see `condense` and `evaluate`.
    """
    if (found := cell.result()) is not None:
        return found
    row, sampling = cell.row, sampling_of(asked, cell.row)
    started = time.monotonic()
    cell.folder.mkdir(parents=True, exist_ok=True)
    if row.method != WHOLE:
        make_store(cell, asked, clips, tell)
    settings = evaluation_of(asked, row, cell.seed, str(resolve_device(asked.device)))
    test = clips.to_test_on(sampling, settings)
    if row.method == WHOLE:
        about, source = about_whole(), VideoClips(clips.of_training(sampling), settings.device)
        result = evaluate(source, test, settings, on_progress=tell)
    else:
        with open_store(cell.store) as store:
            about, stored = about_store(store), store.soft_labels is not None
        kinds = LABELS[asked.labels or "both"] if stored else ("hard",)
        sources = {kind: clips_of(cell.store, settings.device, kind) for kind in kinds}
        result = evaluate(sources.get("hard"), test, settings, soft=sources.get("soft"), on_progress=tell)
    about["dataset_bytes"] = training_videos_bytes(asked)
    # A control with a different number of epochs still belongs to the comparison's table.
    base = evaluation_of(asked, replace(row, evaluation={}), cell.seed).epochs
    about["title_epochs"] = base if row.control == "equal-passes" else settings.epochs
    about |= {"control": row.control, "cell_seconds": round(time.monotonic() - started, 3)}
    on = replace(result.test, dataset=asked.dataset)
    document = result_document(cell.store, replace(result, test=on), settings, about)
    document["store"] = WHOLE if row.method == WHOLE else STORE  # relative, so that the folder can be moved
    write_json(cell.folder / RESULT, {"schema": RESULT_SCHEMA, **document})
    (cell.folder / FAILURE).unlink(missing_ok=True)
    return document


def make_store(cell: Cell, asked: Comparison, clips: SharedClips, tell: Callable[[Progress], None]) -> int:
    """Condenses a cell unless its store exists, and returns the store's size on disk in bytes."""
    if not Path(cell.store).exists():
        cell.folder.mkdir(parents=True, exist_ok=True)
        config = config_of(asked, cell.row, cell.seed, cell.store)
        _condense(config, clips.train(sampling_of(asked, cell.row)), tell)
    with open_store(cell.store) as store:
        return store.storage.on_disk_bytes


def _condense(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Progress], None]) -> None:
    plan = plan_run(config, videos if config.hold_out is None else videos.hold_out(config.hold_out)[0])
    with EventLog(event_log_path(config.out)) as log:

        def take(event: Event) -> None:
            log.on_event(event)
            tell(event)

        store = condense(plan, videos, on_event=take)
    if store is not None:
        store.close()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON object atomically."""
    write_durably(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path, MOST_RESULT_BYTES)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
