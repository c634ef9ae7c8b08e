"""Plots accuracy against the size of stores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.errors import SettingsError
from dfs_store.evaluate.seeds import kind_of
from dfs_store.evaluate.table_row import TableRow
from dfs_store.evaluate.table_text import title_of
from dfs_store.format.io.durable import output_error, write_durably
from dfs_store.pictures.charts import CHART_SUFFIXES, Curve, accuracy_against_bytes, chart_bytes

__all__ = ["check_plot", "plot"]


def check_plot(path: str | Path) -> None:
    """Raises SettingsError unless the suffix is one of `CHART_SUFFIXES`."""
    if Path(path).suffix.lower() not in CHART_SUFFIXES:
        raise SettingsError(f"--plot must end in {' or '.join(CHART_SUFFIXES)}, got {str(path)!r}")


def plot(rows: Sequence[TableRow], path: str | Path) -> None:
    """Draws accuracy against stored MiB (log scale), with one line per row label through its VPCs.

    `whole` and chance are horizontal lines. The suffix of `path` selects the format (.png, .svg, .pdf).

    Raises:
        MissingDependencyError: matplotlib is not installed.
        SettingsError: the results are for different datasets or evaluations, none of them is for a store, or
            the suffix is unknown.
        OutputNotWritableError, DiskFullError: the file cannot be written.
    """
    check_plot(path)
    if len({kind_of(replace(row, runs=0)) for row in rows}) > 1:
        titles = sorted({title_of(row) for row in rows})
        raise SettingsError(
            "a plot needs results with the same dataset and evaluation, got "
            f"{len(titles)} kinds: {'; '.join(titles)}. Plot one kind at a time"
        )
    points: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        if row.stored_mebibytes is not None:
            size = row.stored_mebibytes * MEBIBYTE
            points.setdefault(row.label, []).append((size, row.mean, row.std))
    if not points:
        raise SettingsError("a plot needs at least one result for a store, got only results for `whole`")
    first = rows[0]
    whole = next((row.mean for row in rows if row.method == "whole" and row.control in (None, "whole")), None)
    figure = accuracy_against_bytes(
        [Curve(label, found) for label, found in points.items()],
        chance=first.chance if first.metric == "top1" else None,
        whole=whole,
        metric=first.metric.replace("top", "top-"),
        title=f"{first.dataset}, {first.model}, protocol {first.protocol}",
    )
    try:
        write_durably(Path(path), chart_bytes(figure, Path(path).suffix.lower()))
    except OSError as error:
        raise output_error(error, Path(path)) from error
