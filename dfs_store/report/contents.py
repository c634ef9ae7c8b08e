"""Collects a report's contents from a store, its verification, and results of `dfs evaluate`."""

import datetime
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dfs_store import __version__
from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError
from dfs_store.evaluate.record import RESULT_SCHEMA
from dfs_store.evaluate.result import accuracy_text
from dfs_store.format import Finding, KeyFrameStore, verify
from dfs_store.format.io.place import local_beside
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json
from dfs_store.format.source_paths import portable, source_name
from dfs_store.names import printable
from dfs_store.pictures import PicturedClip, pictured
from dfs_store.pictures.phases import Phases, store_phases
from dfs_store.pictures.preview import store_title
from dfs_store.report.sprite import Sprite, sprite
from dfs_store.report.tables import class_counts, key_frames_per_clip, storage_rows

__all__ = ["ClassRow", "Contents", "Evaluation", "ShownClip", "Timeline", "gather", "results_beside"]

_TIMELINE_BINS = 240
_CLIPS_NAMED = 6


@dataclass(frozen=True)
class ShownClip:
    """A clip on the page.

    Attributes:
        number: number of the clip in the store.
        clip: pixels and key frames of the clip, or None if it is damaged.
        sprite: frames of the clip as one image, or None if it is damaged.
    """

    number: int
    class_name: str
    clip: PicturedClip | None
    sprite: Sprite | None


@dataclass(frozen=True)
class ClassRow:
    """A class with its number of clips, number of key frames, stored size, and accuracy in each result."""

    name: str
    clips: int
    key_frames: int
    size_bytes: int
    accuracies: tuple[float | None, ...]


@dataclass(frozen=True)
class Timeline:
    """Insertions by step and position. A dot is (binned step, position, count, description of the clips)."""

    dots: tuple[tuple[float, int, int, str], ...]
    steps: int
    phases: Phases | None
    num_inserted: int


@dataclass(frozen=True)
class Evaluation:
    """A result of `dfs evaluate`: the JSON document and its file name."""

    document: dict[str, Any]
    file: str

    def accuracy(self, metric: str) -> str:
        """Formats "top1" or "top5" in percent, with the standard deviation if there are several runs."""
        score = self.document[metric]
        return accuracy_text(score["mean"], score["std"], self.document["runs"])

    @property
    def tested_on(self) -> str:
        """A description of the test clips."""
        test = self.document["test"]
        split = "" if test.get("split") is None else f", split {test['split']}"
        return f"{test['num_clips']:,} of {source_name(test['dataset'])}{split}" + (
            "" if test.get("hold_out") is None else f", held out ({test['hold_out']:g})"
        )


@dataclass(frozen=True)
class Contents:
    """The contents of the page."""

    title: str
    path: str
    header: dict[str, str]
    storage: dict[str, Any]
    storage_rows: list[tuple[str, int, str]]
    key_frames: dict[str, Any]
    num_frames: int
    frame_shape: tuple[int, int, int]
    num_clips: int
    fps: float
    clips: list[ShownClip]
    classes: list[ClassRow]
    timeline: Timeline | None
    evaluations: list[Evaluation]
    left_out: list[str]
    settings: dict[str, Any]
    software: dict[str, str]
    findings: list[Finding]
    made: str
    version: str = field(default=__version__)


def gather(
    store: KeyFrameStore,
    clips: Sequence[int],
    results: Sequence[Path] | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Contents:
    """Reads and verifies a store, and collects the contents of its report.

    Args:
        store: the open store.
        clips: numbers of the clips to show.
        results: result files of `dfs evaluate`. Defaults to those next to the store, where incomplete results
            are omitted. So are results of an earlier store at this path. The page lists omitted results.
        on_progress: called with the number of key frames verified so far and the total.

    Raises:
        StoreNotFoundError: one of `results` cannot be read.
        NotAStoreError: one of `results` is not a complete result.
    """
    findings = list(verify(store.path, on_progress=on_progress))
    provenance = portable(store.provenance)
    named = results is not None
    files = results if results is not None else results_beside(store.path)
    evaluations, left_out = _evaluations(store, files, named=named)
    return Contents(
        title=printable(store_title(store)),
        path=printable(str(store.path).rstrip("/").rpartition("/")[2]),
        header=_header(store, provenance),
        storage=store.storage.to_json(),
        storage_rows=storage_rows(store),
        key_frames=key_frames_per_clip(store.offsets),
        num_frames=store.num_frames,
        frame_shape=store.frame_shape,
        num_clips=len(store),
        fps=store.fps or 8.0,
        clips=[_shown(store, clip) for clip in clips],
        classes=_classes(store, evaluations),
        timeline=_timeline(store),
        evaluations=evaluations,
        left_out=left_out,
        settings=portable(store.provenance_object("config")),
        software=store.provenance_object("software"),
        findings=findings,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def results_beside(path: str | os.PathLike[str]) -> list[Path]:
    """Returns the result files of `dfs evaluate` next to a store, or in the current folder for a URL."""
    store = local_beside(path)
    if not store.parent.is_dir():
        return []
    # The results of s.zarr.zip do not belong to s.zarr.
    other = f"{store.name}.zip."
    found = [file for file in store.parent.iterdir() if file.name.startswith(f"{store.name}.")]
    return sorted(file for file in found if file.suffix == ".json" and not file.name.startswith(other))


def _evaluations(
    store: KeyFrameStore, files: Sequence[Path], *, named: bool
) -> tuple[list[Evaluation], list[str]]:
    """Reads results. Unless `named`, skips files that are not results. Returns results and omitted files."""
    found, left_out = [], []
    for file in files:
        try:
            document = _document(file, named=named)
            _check(document)
        except (OSError, ValueError) as error:
            if named and isinstance(error, OSError):
                raise StoreNotFoundError(f"{file} cannot be read ({error.strerror})") from error
            if named:
                raise NotAStoreError(f"{file} is not a complete result of `dfs evaluate`: {error}") from error
            if isinstance(error, _IncompleteError):
                left_out.append(f"{file.name} (incomplete: {error})")
            continue
        if document.get("digest", store.attributes.get("digest")) != store.attributes.get("digest"):
            left_out.append(f"{file.name} (made from an earlier store at this path)")
            continue
        found.append(Evaluation(document, file.name))
    return found, left_out


class _IncompleteError(ValueError):
    """A result of `dfs evaluate` is incomplete or has invalid values."""


def _document(file: Path, *, named: bool) -> dict[str, Any]:
    found = read_json(file, MOST_RESULT_BYTES, named=named)
    if not isinstance(found, dict) or found.get("schema") != RESULT_SCHEMA:
        raise ValueError(f"it must be a JSON document with the schema {RESULT_SCHEMA!r}")
    return found


def _check(document: dict[str, Any]) -> None:
    """Checks the values in a result that the page shows.

    Raises:
        _IncompleteError: a value is missing, or has an invalid type or value.
    """
    percents = [
        (f"{metric}.{key}", _as_dict(document.get(metric)).get(key))
        for metric in ("top1", "top5")
        for key in ("mean", "std")
    ]
    percents += [
        (f"per_class.{name}", value) for name, value in _as_dict(document.get("per_class", {})).items()
    ]
    percents.append(("chance", document.get("chance")))
    test = _as_dict(document.get("test"))
    if test.get("hold_out") is not None:
        percents.append(("test.hold_out", test["hold_out"]))
    for name, value in percents:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise _IncompleteError(f"{name} must be a percentage, got {value!r}")
    numbers = [(name, document.get(name)) for name in ("passes", "runs", "num_classes")]
    for name, value in [*numbers, ("test.num_clips", test.get("num_clips"))]:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise _IncompleteError(f"{name} must be a whole number of at least 1, got {value!r}")
    texts = [(name, document.get(name)) for name in ("model", "protocol")]
    for name, value in [*texts, ("test.dataset", test.get("dataset"))]:
        if not isinstance(value, str):
            raise _IncompleteError(f"{name} must be a string, got {value!r}")


def _as_dict(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return value if isinstance(value, dict) else {}


def _header(store: KeyFrameStore, provenance: dict[str, Any]) -> dict[str, str]:
    height, width = store.frame_shape[1:]
    normalization = store.normalization
    rows = {
        "Method": provenance.get("method"),
        "Dataset": provenance.get("dataset"),
        "Videos per class": provenance.get("vpc"),
        "Seed": provenance.get("seed"),
        "Created": provenance.get("created"),
        "Clips": f"{len(store):,} of {store.num_frames} frames, {height} x {width} pixels",
        "Format": f"{store.attributes['format_version']}, {store.container}, {store.dtype}",
        "Normalised": "no"
        if normalization is None
        else "mean {}, std {}".format(
            *(" ".join(f"{value:.3f}" for value in normalization[key]) for key in ("mean", "std"))
        ),
        "Digest": store.attributes.get("digest"),
    }
    return {name: str(value) for name, value in rows.items() if value is not None}


def _shown(store: KeyFrameStore, number: int) -> ShownClip:
    name = store.class_names[int(store.labels[number])]
    try:
        clip = pictured(store, number)
        return ShownClip(number, name, clip, sprite(clip))
    except DamagedStoreError:
        return ShownClip(number, name, None, None)


def _classes(store: KeyFrameStore, evaluations: Sequence[Evaluation]) -> list[ClassRow]:
    frame_bytes = math.prod(store.frame_shape) * np.dtype(store.dtype).itemsize
    per_class = [_as_dict(found.document.get("per_class")) for found in evaluations]
    return [
        ClassRow(name, clips, keys, keys * frame_bytes, tuple(found.get(name) for found in per_class))
        for name, clips, keys in class_counts(store)
    ]


def _named(store: KeyFrameStore, clips: Sequence[int]) -> str:
    shown = [f"clip {clip} ({store.class_names[int(store.labels[clip])]})" for clip in clips[:_CLIPS_NAMED]]
    more = f" and {len(clips) - _CLIPS_NAMED} more" if len(clips) > _CLIPS_NAMED else ""
    return ", ".join(shown) + more


def _timeline(store: KeyFrameStore) -> Timeline | None:
    if store.inserted_at(0) is None:
        return None
    inserted = np.concatenate([store.inserted_at(clip) for clip in range(len(store))])
    kept = inserted >= 0
    if not kept.any():
        return None
    phases = store_phases(store)
    steps = phases.steps if phases is not None else int(inserted.max()) + 1
    width = max(1, math.ceil(steps / _TIMELINE_BINS))
    clips = np.repeat(np.arange(len(store)), np.diff(store.offsets))[kept]
    places: dict[tuple[int, int], list[int]] = {}
    for step, position, clip in zip(inserted[kept], store.all_positions[kept], clips, strict=True):
        places.setdefault((int(step) // width, int(position)), []).append(int(clip))
    return Timeline(
        tuple(
            ((step + 0.5) * width, position, len(found), _named(store, found))
            for (step, position), found in sorted(places.items())
        ),
        steps,
        phases,
        int(kept.sum()),
    )
