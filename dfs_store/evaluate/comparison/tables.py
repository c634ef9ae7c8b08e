"""Writes the tables of a comparison."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dfs_store.errors import MissingDependencyError
from dfs_store.evaluate.seeds import grouped, kind_of
from dfs_store.evaluate.table_plot import plot
from dfs_store.evaluate.table_row import TableRow
from dfs_store.evaluate.table_text import STYLES
from dfs_store.format.io.durable import write_durably

__all__ = ["write_tables"]

_SUFFIXES = {"text": ".txt", "markdown": ".md", "latex": ".tex", "csv": ".csv"}


def write_tables(rows: Sequence[TableRow], out: Path) -> list[Path]:
    """Writes `table.txt`, `.md`, `.tex` and `.csv`, and a plot for each kind of evaluation that has a store.

    If matplotlib is not installed, no plots are written.

    Returns:
        The paths of the files.
    """
    written = []
    for style, suffix in _SUFFIXES.items():
        written.append(out / f"table{suffix}")
        write_durably(written[-1], (STYLES[style](rows) + "\n").encode())
    kinds = grouped(rows, lambda row: kind_of(replace(row, runs=0)))
    for number, alike in enumerate(kinds.values(), start=1):
        if all(row.stored_mebibytes is None for row in alike):
            continue
        path = out / ("accuracy.png" if len(kinds) == 1 else f"accuracy-{number}.png")
        try:
            plot(alike, path)
        except MissingDependencyError:
            return written
        written.append(path)
    return written
