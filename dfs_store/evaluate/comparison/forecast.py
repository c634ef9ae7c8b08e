"""Forecasts the duration of a comparison as the sum over its condensations and evaluations."""

import os
import tempfile
from pathlib import Path

import numpy as np

from dfs_store.condense.engine.real_starts import clips_per_class
from dfs_store.condense.forecast import Forecast, Paces, forecast_run, rehearse_training_clips
from dfs_store.condense.plan import plan_run
from dfs_store.condense.runtime.device import resolve_device
from dfs_store.evaluate.comparison.cells import Cell, opened_with, sampling_of
from dfs_store.evaluate.comparison.rows import Row, config_of, evaluation_of
from dfs_store.evaluate.comparison.spec import Comparison
from dfs_store.evaluate.forecast import forecast_evaluation
from dfs_store.evaluate.record import WHOLE, test_views
from dfs_store.evaluate.run import EvaluationSettings
from dfs_store.videos import VideoDataset
from dfs_store.videos.epochs import VideoClips
from dfs_store.videos.rehearsal import Rehearsal, rehearse

__all__ = ["forecast_comparison"]

# Stages that run only once for all cells with the same clips.
_ONCE = ("decoding", "network")


def forecast_comparison(asked: Comparison, cells: list[Cell]) -> Forecast:
    """Forecasts the duration of the unfinished cells. Writes no files.

    Forecasts one cell of every row (see `forecast_run` and `forecast_evaluation`) and assumes that the other
    seeds take as long. Decoding and training the network that selects coresets are counted once.
    """
    rehearsals: dict[str, Rehearsal] = {}
    paces: dict[str, Paces] = {}
    parts = dict.fromkeys(("decoding", "network", "condensing", "training", "testing"), 0.0)
    rough = False
    for row in {cell.row.key: cell.row for cell in cells}.values():
        own = [cell for cell in cells if cell.row.key == row.key]
        for forecast in _of_row(asked, row, own[0], rehearsals, paces):
            rough |= forecast.rough
            for name, seconds in forecast.parts.items():
                if name in _ONCE:
                    parts[name] = max(parts[name], seconds)
                else:
                    kind = name if name in parts else "condensing"
                    parts[kind] += len(own) * seconds
    return Forecast({name: seconds for name, seconds in parts.items() if seconds}, rough)


def _of_row(
    asked: Comparison, row: Row, cell: Cell, rehearsals: dict[str, Rehearsal], paces: dict[str, Paces]
) -> list[Forecast]:
    """Returns the forecasts of condensing a row (none for user-defined methods) and of evaluating it."""
    settings = evaluation_of(asked, row, cell.seed, str(resolve_device(asked.device)))
    named = row if row.method != WHOLE else Row(method="random", vpc=1)
    unused = Path(tempfile.gettempdir(), f"dfs-forecast-{os.getpid()}.zarr")  # never written
    config = config_of(asked, named, cell.seed, cell.store if cell.folder.is_dir() else str(unused))
    key = str([config.provenance()[name] for name in sorted(asked.sampling)])
    if key not in rehearsals:
        rehearsals[key] = rehearse_training_clips(config)
    clips, known = rehearsals[key], paces.setdefault(key, {})
    found = []
    if row.method == WHOLE:
        train = clips.videos
    else:
        if not Path(cell.store).exists():  # otherwise only the evaluation is missing
            made = forecast_run(plan_run(config, clips.videos), clips, known)
            found = [] if made is None else [made]
        counts = clips_per_class(clips.videos).values()
        train = _as_many(clips.videos, sum(map(config.clips_of, counts)))
    test = _test_clips(asked, row, settings, f"test {key}", rehearsals)
    return [*found, forecast_evaluation([VideoClips(train, settings.device)], test, settings, paces=known)]


def _as_many(videos: VideoDataset, number: int) -> VideoDataset:
    """Returns up to `number` evenly spaced clips."""
    return videos.subset(np.linspace(0, len(videos) - 1, min(number, len(videos))).astype(np.int64))


def _test_clips(
    asked: Comparison, row: Row, settings: EvaluationSettings, key: str, rehearsals: dict[str, Rehearsal]
) -> Rehearsal:
    if key in rehearsals:
        return rehearsals[key]
    sampling = sampling_of(asked, row)
    if sampling["hold_out"] is not None:
        whole = rehearse(asked.dataset, "train", **opened_with(asked, sampling))
        found = Rehearsal(whole.videos.hold_out(sampling["hold_out"])[1], None)
    else:
        given = opened_with(asked, sampling) | test_views(asked.dataset, settings)
        found = rehearse(asked.dataset, "test", **given)
    return rehearsals.setdefault(key, found)
