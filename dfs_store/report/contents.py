"""Gathers what a report says, from the store, its files' state, and the evaluations kept beside it."""

import datetime
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dfs_store import __version__
from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError
from dfs_store.format import Finding, KeyFrameStore, verify
from dfs_store.format.place import local_beside
from dfs_store.pictures import PicturedClip, pictured
from dfs_store.pictures.charts import Phases
from dfs_store.pictures.preview import provenance_object, store_phases, store_title
from dfs_store.report.sprite import Sprite, sprite

__all__ = ["ClassRow", "Contents", "Evaluation", "ShownClip", "Timeline", "gather", "results_beside"]

SCHEMA = "dfs.evaluate/1"
_TIMELINE_BINS = 240


@dataclass(frozen=True)
class ShownClip:
    """A clip on the page.

    Attributes:
        number: of the clip.
        clip: its pixels and key frames; None where it is damaged.
        sprite: its frames as one image; likewise.
    """

    number: int
    class_name: str
    clip: PicturedClip | None
    sprite: Sprite | None


@dataclass(frozen=True)
class ClassRow:
    """A class: its clips and key frames, bytes as stored, and accuracies in the order of the results."""

    name: str
    clips: int
    key_frames: int
    size_bytes: int
    accuracies: tuple[float | None, ...]


@dataclass(frozen=True)
class Timeline:
    """Insertions by step and position; `dots` are (step, position, how many), steps binned."""

    dots: tuple[tuple[float, int, int], ...]
    steps: int
    phases: Phases | None
    num_inserted: int


@dataclass(frozen=True)
class Evaluation:
    """A result of `dfs evaluate`, as its document says; `file` is where it was read from."""

    document: dict[str, Any]
    file: str

    @property
    def chance(self) -> float:
        """Percent right by guessing."""
        return 100 / int(self.document["num_classes"])


@dataclass(frozen=True)
class Contents:
    """Everything on the page."""

    title: str
    path: str
    header: dict[str, str]
    storage: dict[str, Any]
    key_frames: dict[str, float]
    num_frames: int
    frame_shape: tuple[int, int, int]
    num_clips: int
    fps: float
    clips: list[ShownClip]
    classes: list[ClassRow]
    timeline: Timeline | None
    evaluations: list[Evaluation]
    stale: list[str]
    settings: dict[str, Any]
    software: dict[str, str]
    findings: list[Finding]
    made: str
    version: str = field(default=__version__)


def gather(
    store: KeyFrameStore,
    clips: Sequence[int],
    results: Sequence[Path],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Contents:
    """Reads and verifies a store, and puts together what its report says.

    Args:
        store: open for reading.
        clips: numbers of the clips to show.
        results: files that `dfs evaluate` kept; one of another store is named as stale, and left out.
        on_progress: called with the key frames verified so far, and their number.

    Raises:
        StoreNotFoundError: a result cannot be read.
        NotAStoreError: a file is no result.
    """
    findings = list(verify(store.path, on_progress=on_progress))
    provenance = store.attributes.get("provenance") or {}
    evaluations, stale = _evaluations(store, results)
    counts = np.diff(store.offsets)
    return Contents(
        title=store_title(store),
        path=str(store.path),
        header=_header(store, provenance),
        storage=store.storage.to_json(),
        key_frames={"min": int(counts.min()), "mean": float(counts.mean()), "max": int(counts.max())},
        num_frames=store.num_frames,
        frame_shape=store.frame_shape,
        num_clips=len(store),
        fps=store.fps or 8.0,
        clips=[_shown(store, clip) for clip in clips],
        classes=_classes(store, evaluations),
        timeline=_timeline(store),
        evaluations=evaluations,
        stale=stale,
        settings=provenance_object(store, "config"),
        software=provenance_object(store, "software"),
        findings=findings,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def results_beside(path: str) -> list[Path]:
    """Returns the results that `dfs evaluate` kept beside a store; of a URL in the working folder."""
    store = local_beside(path)
    if not store.parent.is_dir():
        return []
    found = [file for file in store.parent.iterdir() if file.name.startswith(f"{store.name}.")]
    return sorted(file for file in found if file.suffix == ".json" and _document(file) is not None)


def _document(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreNotFoundError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def _evaluations(store: KeyFrameStore, files: Sequence[Path]) -> tuple[list[Evaluation], list[str]]:
    found, stale = [], []
    for file in files:
        document = _document(file)
        if document is None:
            raise NotAStoreError(f"{file}: is no result of `dfs evaluate` (a JSON document {SCHEMA!r})")
        if document.get("digest", store.attributes.get("digest")) != store.attributes.get("digest"):
            stale.append(file.name)
            continue
        evaluation = Evaluation(document, file.name)
        try:
            _check(document)
        except (KeyError, TypeError, ValueError) as error:
            raise NotAStoreError(
                f"{file}: lacks something of a result ({error!r}); evaluate again"
            ) from error
        found.append(evaluation)
    return found, stale


def _check(document: dict[str, Any]) -> None:
    """Touches all that the page shows of a result."""
    for metric in ("top1", "top5"):
        float(document[metric]["mean"]), float(document[metric]["std"])
    str(document["model"]), str(document["protocol"])
    int(document["epochs"]), int(document["runs"]), int(document["num_test_clips"])
    if int(document["num_classes"]) < 1:
        raise ValueError("num_classes")
    dict(document.get("per_class") or {})


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
    except DamagedStoreError:
        return ShownClip(number, name, None, None)
    return ShownClip(number, name, clip, sprite(clip))


def _classes(store: KeyFrameStore, evaluations: Sequence[Evaluation]) -> list[ClassRow]:
    number = len(store.class_names)
    keys = np.bincount(store.labels, weights=np.diff(store.offsets), minlength=number).astype(np.int64)
    clips = np.bincount(store.labels, minlength=number)
    frame_bytes = math.prod(store.frame_shape) * np.dtype(store.dtype).itemsize
    return [
        ClassRow(
            name,
            int(clips[label]),
            int(keys[label]),
            int(keys[label]) * frame_bytes,
            tuple((found.document.get("per_class") or {}).get(name) for found in evaluations),
        )
        for label, name in enumerate(store.class_names)
    ]


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
    pairs = np.stack([inserted[kept] // width, store.all_positions[kept].astype(np.int64)])
    dots, counts = np.unique(pairs, axis=1, return_counts=True)
    return Timeline(
        tuple(
            (float((step + 0.5) * width), int(position), int(count))
            for step, position, count in zip(*dots, counts, strict=True)
        ),
        steps,
        phases,
        int(kept.sum()),
    )
