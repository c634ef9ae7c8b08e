"""`dfs compare`: condenses, evaluates and tabulates every cell of a comparison."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.names import counted

from .. import _output
from .._exit_codes import FOUND_WANTING, command
from ..options import compare as given
from ..options import shared
from ..options.groups import takes
from ..shown.forecast import forecast_text

if TYPE_CHECKING:
    from dfs_store.evaluate.comparison.run import Compared, ComparisonPlan
    from dfs_store.evaluate.comparison.spec import Comparison

_ROWS_SHOWN = 60


@command
@takes(given.CLIPS, given.TRAINING)
def compare(
    *,
    dataset: given.Dataset,
    out: given.Out,
    methods: given.Methods = None,
    vpc: given.Vpc = None,
    seeds: given.Seeds = 3,
    set_: given.Set = None,
    vary: given.Vary = None,
    budget: given.Budget = None,
    table: given.Table = None,
    controls: given.Controls = "all",
    device: shared.Device = "auto",
    dry_run: given.DryRun = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
    **options: Any,  # noqa: ANN401 - which clips, and how networks are trained on them
) -> int | None:
    """Condense with several methods, evaluate the stores, and tabulate the results.

    If interrupted, run the same command again to continue.

    dfs compare --dataset miniucf --methods random,dfs,pack --vpc 1,5 --out compared
    """
    from dfs_store.evaluate.comparison.run import plan_comparison
    from dfs_store.evaluate.comparison.settings_text import parse_settings
    from dfs_store.evaluate.comparison.spec import Comparison

    clips = {name: options[name] for name in given.CLIPS}
    names = shared.class_list(clips.pop("classes"))
    training = given.given_training(options)
    asked = Comparison(
        dataset=dataset,
        device=device,
        seeds=seeds,
        settings=parse_settings(set_ or [], "--set"),
        budget=budget,
        controls=_controls(controls),
        labels=training.pop("labels", None),
        evaluation=training,
        classes=None if names is None else tuple(names),
        **clips,
        **_compared(table, methods, vpc, vary),
    )
    plan = plan_comparison(asked, out)
    if dry_run:
        _show_plan(plan, asked, json=json)
        return None
    if not quiet:
        _output.note(_forecast(plan))
    return _run(asked, out, json=json, quiet=quiet)


def _compared(
    table: int | None, methods: str | None, vpc: str | None, vary: list[str] | None
) -> dict[str, Any]:
    """Returns fields of `Comparison` for a table in the paper, overridden by the given options."""
    from dfs_store.errors import SettingsError
    from dfs_store.evaluate.comparison.paper import of_table
    from dfs_store.evaluate.comparison.settings_text import parse_settings

    what: dict[str, Any] = {} if table is None else of_table(table)
    what |= {"methods": tuple(shared.class_list(methods) or ())} if methods is not None else {}
    what |= {"vpc": _numbers(vpc)} if vpc is not None else {}
    if vary:
        what["vary"] = {**what.get("vary", {}), **parse_settings(vary, "--vary", several=True)}
    for name in ("methods", "vpc"):
        if name not in what:
            raise SettingsError(
                f"--{name} is missing; usage: dfs compare --dataset NAME|FOLDER --methods random,dfs "
                "--vpc 1,5 --out DIR, or use --table N"
            )
    return what


def _numbers(text: str) -> tuple[int | str, ...]:
    from dfs_store.errors import SettingsError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(part if part == "all" else int(part) for part in parts)
    except ValueError:
        raise SettingsError(f"--vpc must be numbers such as 1,5,10, or all, got {text!r}") from None


def _controls(text: str) -> tuple[str, ...]:
    from dfs_store.evaluate.comparison.spec import CONTROLS

    if text in ("all", "none"):
        return CONTROLS if text == "all" else ()
    return tuple(shared.class_list(text) or ())


def _run(asked: "Comparison", out: str, *, json: bool, quiet: bool) -> int | None:
    from dataclasses import asdict

    from dfs_store.evaluate.comparison.run import compare as run
    from dfs_store.evaluate.comparison.tables import write_tables
    from dfs_store.evaluate.table import read_results
    from dfs_store.evaluate.table_text import to_text

    from ..shown.compare_progress import CompareProgress

    with CompareProgress(quiet=quiet) as progress:
        compared = run(asked, out, on_event=progress.on_event)
    done = len(compared.cells) > len(compared.failed)
    rows = read_results([out]) if done else []
    if rows:
        write_tables(rows, Path(out))
    if json:
        content = {
            "out": out,
            "specification": asked.to_json(),
            "cells": [each.to_json() for each in compared.cells],
            "rows": [asdict(row) for row in rows],
        }
        _output.document("dfs.compare/1", content)
    elif rows:
        _output.echo(to_text(rows))
    if compared.failed:
        _output.note(_failures(compared))
        return FOUND_WANTING
    if not quiet:
        _output.note(f"tables and a plot are in {out}\nnext: dfs table {shlex.quote(out)} --format latex")
    return None


def _forecast(plan: "ComparisonPlan") -> str:
    left = len(plan.cells) - plan.done
    done = f", {plan.done:,} of them finished" if plan.done else ""
    text = f"{counted(len(plan.cells), 'cell')} in {counted(len(plan.rows), 'row')}{done}"
    if not left:
        return text
    return f"{text}: {forecast_text(plan.forecast)}, plus controls at equal frames and bytes"


def _show_plan(plan: "ComparisonPlan", asked: "Comparison", *, json: bool) -> None:
    if json:
        content = {
            "specification": asked.to_json(),
            "cells": [cell.name for cell in plan.cells],
            "done": plan.done,
            **plan.forecast.to_json(),
        }
        _output.document("dfs.compare.plan/1", content)
        return
    names = [row.name for row in plan.rows]
    more = [f"  and {len(names) - _ROWS_SHOWN} more"] if len(names) > _ROWS_SHOWN else []
    _output.echo("\n".join([_forecast(plan), *(f"  {name}" for name in names[:_ROWS_SHOWN]), *more]))


def _failures(compared: "Compared") -> str:
    lines = [f"  {each.cell.name}: {each.reason}" for each in compared.failed]
    head = f"{counted(len(lines), 'cell')} failed (run the same command again to retry):"
    return "\n".join([head, *lines])
