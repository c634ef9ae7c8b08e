"""Combines the results of individual seeds into rows, compares them with random clips, and labels them."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from dfs_store.evaluate.table_row import TableRow
from dfs_store.names import counted

__all__ = ["grouped", "half_interval", "kind_of", "over_seeds", "student_quantile"]

Key = TypeVar("Key")
_MEANS = (
    "mebibytes", "stored_mebibytes", "on_disk_mebibytes", "percent_of_dense", "percent_of_dataset",
    "key_frames_per_class", "cost_seconds", "elapsed_seconds",
)  # fmt: skip
# The 0.975 quantile of Student's t for 1 to 10 degrees of freedom.
_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_NORMAL = 1.959964
# Settings that are in the title of the table or do not matter to the reader.
_NOT_IN_LABELS = {
    "dataset", "vpc", "method", "frames", "stride", "size", "split", "classes", "hold_out", "soft_labels",
}  # fmt: skip


def over_seeds(rows: Sequence[TableRow]) -> list[TableRow]:
    """Merges rows that differ only in their seeds, compares them with random clips, and labels them."""
    joined = [_joined(group) for group in grouped(rows, _identity).values()]
    compared = [_over_random(row, joined) for row in joined]
    alike = grouped(compared, _labelled_with)
    return [replace(row, label=_label(row, alike[_labelled_with(row)])) for row in compared]


def grouped(rows: Iterable[TableRow], key: Callable[[TableRow], Key]) -> dict[Key, list[TableRow]]:
    """Groups rows by a key, in the order of their first rows."""
    groups: dict[Key, list[TableRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def kind_of(row: TableRow) -> tuple[Any, ...]:
    """Returns the settings and test clips of a row's evaluation. Rows are comparable if these are equal."""
    return (
        row.dataset, row.model, row.protocol, row.recipe, row.title_epochs, row.runs, row.split,
        row.split_declared, row.hold_out, row.frames, row.stride, row.size, row.num_test_clips,
        row.num_classes, row.metric,
    )  # fmt: skip


def _identity(row: TableRow) -> tuple[Any, ...]:
    if not row.by_seed:
        return (row.file, row.labels)
    settings = json.dumps(row.settings, sort_keys=True)
    return (*_labelled_with(row), row.dtype, row.labels, row.epochs, settings)


def _labelled_with(row: TableRow) -> tuple[Any, ...]:
    """Returns a key that is the same for rows that need different names in the table."""
    return (*kind_of(row), row.method, row.vpc, row.control)


def _joined(group: list[TableRow]) -> TableRow:
    """Merges the rows of several seeds. If a seed was evaluated several times, its results are averaged."""
    first = group[0]
    if len(group) == 1:
        return first
    scores: dict[int, list[float]] = {}
    for row in group:
        for seed, score in row.by_seed.items():
            scores.setdefault(seed, []).append(score)
    by_seed = {seed: float(np.mean(found)) for seed, found in sorted(scores.items())}
    if len(by_seed) == 1:
        spread = float(np.mean([row.std for row in group]))
    else:
        spread = float(np.std(list(by_seed.values()), ddof=1))
    means: dict[str, Any] = {name: _mean(getattr(row, name) for row in group) for name in _MEANS}
    passes = _mean(row.cost_clip_passes for row in group)
    return replace(
        first,
        seeds=len(by_seed),
        by_seed=by_seed,
        mean=float(np.mean(list(by_seed.values()))),
        std=spread,
        cost_clip_passes=None if passes is None else round(passes),
        **means,
    )


def _mean(values: Iterable[float | int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _over_random(row: TableRow, rows: Sequence[TableRow]) -> TableRow:
    """Returns the row with its gain over random clips with the same vpc and all frames."""
    base = next(
        (
            other
            for other in rows
            if other.method == "random"
            and other.vpc == row.vpc
            and other.labels == row.labels
            and other.settings.get("key_frames") is None
            and other.control in (None, "equal-clips")
            and kind_of(other) == kind_of(row)
        ),
        None,
    )
    seeds = [] if base is None else sorted(row.by_seed.keys() & base.by_seed.keys())
    if base is None or base is row or not seeds:
        return row
    gains = [row.by_seed[seed] - base.by_seed[seed] for seed in seeds]
    return replace(row, over_random=float(np.mean(gains)), over_random_interval=half_interval(gains))


def half_interval(values: Sequence[float]) -> float | None:
    """Returns half the 95 % confidence interval of the mean (Student's t); None for fewer than two values."""
    if len(values) < 2:
        return None
    return student_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def student_quantile(degrees: int) -> float:
    """Returns the 0.975 quantile of Student's t, accurate to 0.001.

    Values for up to 10 degrees of freedom are tabulated; those for more are computed by a series expansion.
    """
    if degrees <= len(_QUANTILES):
        return _QUANTILES[degrees - 1]
    z, n = _NORMAL, float(degrees)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / n**power for power, term in enumerate(terms))


def _label(row: TableRow, alike: Sequence[TableRow]) -> str:
    """Returns the name of a row, with the settings that differ between rows of the same method and vpc."""
    differing = [
        name
        for name in sorted({name for other in alike for name in other.settings} - _NOT_IN_LABELS)
        if len({json.dumps(other.settings.get(name)) for other in alike}) > 1
    ]
    parts = [f"{name.replace('_', ' ')} {_value(row.settings.get(name))}" for name in differing]
    if row.control is None and row.dtype not in (None, "float32") and "dtype" not in differing:
        parts.append(str(row.settings.get("encoding") or row.dtype))
    parts += ["soft labels"] if row.labels == "soft" else []
    return _base_label(row) + (f" ({', '.join(parts)})" if parts else "")


def _base_label(row: TableRow) -> str:
    keys = row.settings.get("key_frames")
    kept = "" if keys is None else f", {counted(int(keys), 'key frame')}"
    names: Mapping[str | None, str] = {
        "equal-clips": f"{row.method} at equal clips",
        "equal-frames": f"{row.method} at equal frames{kept}",
        "equal-bytes": f"{row.method} at equal bytes{kept}",
        "equal-passes": f"all real clips, {counted(row.passes, 'pass')}",
        "still": "one still frame",
        "whole": "whole dataset",
    }
    return names.get(row.control, row.method)


def _value(value: object) -> str:
    return {True: "on", False: "off", None: "none"}[value] if isinstance(value, bool | None) else str(value)
