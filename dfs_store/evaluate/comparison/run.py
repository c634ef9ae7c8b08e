"""Plans and runs comparisons."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.forecast import Forecast
from dfs_store.condense.runtime.run_lock import run_lock
from dfs_store.condense.training_clips import TrainingClips, count_training_clips
from dfs_store.errors import DiskFullError, NotAStoreError, SettingsError
from dfs_store.evaluate.comparison.cells import Cell, Progress, SharedClips, make_cell, make_store, write_json
from dfs_store.evaluate.comparison.controls import derived_rows, fixed_rows
from dfs_store.evaluate.comparison.forecast import forecast_comparison
from dfs_store.evaluate.comparison.rows import Row, method_rows
from dfs_store.evaluate.comparison.spec import SPECIFICATION_SCHEMA, Comparison, differences
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json

__all__ = [
    "CellEnded",
    "CellProgress",
    "CellStarted",
    "Compared",
    "ComparisonPlan",
    "compare",
    "plan_comparison",
]

SPECIFICATION = "compare.json"
Made = TypeVar("Made")
Maker = Callable[[Cell, Comparison, SharedClips, Callable[[Progress], None]], Made]


@dataclass(frozen=True)
class CellStarted:
    """Reports that work on a cell has started.

    Attributes:
        name: name of the cell.
        number: 1-based number of the cell.
        total: number of cells known so far; it grows because some controls depend on the methods' stores.
    """

    name: str
    number: int
    total: int


@dataclass(frozen=True)
class CellProgress:
    """Reports progress within a cell.

    Attributes:
        name: name of the cell.
        event: the event, from condensing, evaluating or decoding real clips.
    """

    name: str
    event: Progress


@dataclass(frozen=True)
class CellEnded:
    """Reports that a cell has finished or failed.

    Attributes:
        cell: the cell.
        result: result of the evaluation; None if the cell failed.
        reason: error message if the cell failed, otherwise None.
    """

    cell: Cell
    result: dict[str, Any] | None
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns the cell as a JSON object."""
        row = self.cell.row
        return {
            "name": self.cell.name,
            "method": row.method,
            "vpc": row.vpc,
            "seed": self.cell.seed,
            "settings": dict(row.settings),
            "control": row.control,
            "state": "done" if self.reason is None else "failed",
            "reason": self.reason,
            "top1": None if self.result is None else self.result["top1"]["mean"],
        }


@dataclass(frozen=True)
class Compared:
    """The outcome of a comparison.

    Attributes:
        out: folder of the comparison.
        cells: all cells of the tables, including failed ones.
    """

    out: Path
    cells: tuple[CellEnded, ...]

    @property
    def failed(self) -> tuple[CellEnded, ...]:
        """The cells that failed."""
        return tuple(each for each in self.cells if each.reason is not None)


@dataclass(frozen=True)
class ComparisonPlan:
    """The plan of a comparison.

    Attributes:
        rows: rows of the methods and of the controls that are known in advance.
        cells: cells of these rows.
        done: number of finished cells.
        forecast: duration of the unfinished cells, excluding controls that depend on the methods' stores.
    """

    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    done: int
    forecast: Forecast


Event = CellStarted | CellProgress | CellEnded


def plan_comparison(asked: Comparison, out: str | os.PathLike[str]) -> ComparisonPlan:
    """Checks a comparison and forecasts its duration. Writes no files.

    Raises:
        SettingsError: settings contradict each other, the budget is too small, or the folder contains a
            different comparison; the message lists the differences.
        DatasetNotFoundError, EmptyClassError: the dataset does not exist, or a class has no clips.
    """
    out = Path(out)
    clips = _count(asked)
    _check_specification(asked, out)
    rows = [*method_rows(asked, clips)]
    rows += fixed_rows(asked, rows, clips)
    cells = tuple(_cells(rows, asked, out))
    left = [cell for cell in cells if cell.result() is None]
    return ComparisonPlan(
        rows=tuple(rows),
        cells=cells,
        done=len(cells) - len(left),
        forecast=forecast_comparison(asked, left),
    )


def compare(
    asked: Comparison, out: str | os.PathLike[str], *, on_event: Callable[[Event], None] | None = None
) -> Compared:
    """Condenses and evaluates every unfinished cell of a comparison.

    If a cell fails, its error is recorded in its folder, and the comparison continues with the other cells.
    The next call retries the cell. Ctrl-C, or any exception raised by `on_event`, stops the comparison, and
    the next call continues it.

    Args:
        asked: the comparison.
        out: folder for `compare.json` and one folder per cell. It is locked during the call.
        on_event: called with every event.

    Returns:
        The outcome; `dfs_store.evaluate.read_results` reads the folder.

    Raises:
        SettingsError: see `plan_comparison`.
        OutputExistsError: another process is working in this folder.
        DiskFullError: the disk is full.
    """
    out, tell = Path(out), on_event or (lambda _: None)
    clips = _count(asked)
    rows = method_rows(asked, clips)
    fixed = [*rows, *fixed_rows(asked, rows, clips)]
    _check_specification(asked, out)
    out.mkdir(parents=True, exist_ok=True)
    with run_lock(str(out)):
        _check_specification(asked, out)
        if not (out / SPECIFICATION).exists():
            write_json(out / SPECIFICATION, asked.to_json())
        runner = _Runner(asked, out, tell)
        ended = runner.make(list(_cells(fixed, asked, out)))
        derived = derived_rows(asked, rows, ended, clips, runner)
        ended += runner.make(list(_cells(derived, asked, out)))
    return Compared(out, tuple(ended))


class _Runner:
    """Makes cells one after another."""

    def __init__(self, asked: Comparison, out: Path, tell: Callable[[Event], None]) -> None:
        self._asked, self._out, self._tell = asked, out, tell
        self._name = ""
        self._number = self._total = 0
        self._clips = SharedClips(asked, self._progress)

    def make(self, cells: Sequence[Cell]) -> list[CellEnded]:
        """Makes cells and returns their outcomes, including failures."""
        self._total += len(cells)
        return [self._make(cell) for cell in cells]

    def score(self, row: Row) -> float | None:
        """Returns the top-1 accuracy in percent of a trial row, or None if the cell fails."""
        result = self.make([_cell(row, 0, self._out)])[0].result
        return None if result is None else float(result["top1"]["mean"])

    def on_disk_bytes(self, row: Row) -> int | None:
        """Returns the size of a trial row's store in bytes, or None if the cell fails."""
        return self._tried(_cell(row, 0, self._out), make_store)[0]

    def _make(self, cell: Cell) -> CellEnded:
        self._number += 1
        self._tell(CellStarted(cell.name, self._number, self._total))
        ended = CellEnded(cell, *self._tried(cell, make_cell))
        self._tell(ended)
        return ended

    def _tried(self, cell: Cell, make: Maker[Made]) -> tuple[Made | None, str | None]:
        """Calls `make` and returns its result, or the message of its error, which the cell also records."""
        self._name = cell.name
        try:
            return make(cell, self._asked, self._clips, self._progress), None
        except DiskFullError:
            raise  # the other cells would fail as well
        except Exception as error:  # noqa: BLE001 - a custom method or network can raise anything
            cell.fail(error)
            return None, f"{type(error).__name__}: {error}"

    def _progress(self, event: Progress) -> None:
        self._tell(CellProgress(self._name, event))


def _cells(rows: Sequence[Row], asked: Comparison, out: Path) -> list[Cell]:
    """Returns the cells of rows, seed by seed, so that an interrupted comparison contains complete seeds."""
    return [
        _cell(row, seed, out)
        for seed in range(asked.seeds)
        for row in rows
        if row.seeds is None or seed < row.seeds
    ]


def _cell(row: Row, seed: int, out: Path) -> Cell:
    return Cell(row, seed, out / f"{row.name}-seed{seed}")


def _count(asked: Comparison) -> TrainingClips:
    return count_training_clips(
        CondenseConfig(
            dataset=asked.dataset,
            root=asked.root,
            vpc=1,
            out="unused.zarr",
            method="random",
            **asked.sampling,
        ).resolved()
    )


def _check_specification(asked: Comparison, out: Path) -> None:
    """Raises SettingsError if the folder contains a different comparison or other files."""
    path = out / SPECIFICATION
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise SettingsError(
                f"{out} exists but does not contain {SPECIFICATION}; choose a new folder for --out"
            )
        return
    try:
        there = read_json(path, MOST_RESULT_BYTES)
    except (OSError, ValueError) as error:
        raise NotAStoreError(f"{path} cannot be read ({error}); choose a different --out") from error
    if not isinstance(there, dict) or there.get("schema") != SPECIFICATION_SCHEMA:
        raise NotAStoreError(f"{path} is not a specification of `dfs compare`; choose a different --out")
    if found := differences(there, asked):
        raise SettingsError(
            f"{out} contains a different comparison: {'; '.join(found)}. To continue that comparison, "
            "use its settings; otherwise, choose a different --out"
        )
