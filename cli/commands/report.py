"""`dfs report`: writes a self-contained HTML page about a store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfs_store.names import counted

from .. import _output
from .._exit_codes import FOUND_WANTING, command
from ..options import chosen_clips as which
from ..options import shared

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore

SHOWN_UNASKED = 60


@command
def report(
    store: shared.Store,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="HTML file to write.")],
    classes: which.Classes = None,
    clips: which.Clips = None,
    per_class: which.PerClass = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            "--results",
            metavar="FILE",
            help="Result file from `dfs evaluate`; can be repeated.",
            show_default="those next to the store",
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> int:
    """Write a self-contained HTML page about a store.

    The page shows animated clips, storage, the timeline, evaluations and
    settings. The store is verified first. If it is damaged, the page lists the
    problems and the exit code is 1. If it cannot be opened, no page is
    written; see `dfs verify`.

    dfs report ucf.zarr --out ucf.html
    """
    from dfs_store import open_store
    from dfs_store.format.io.place import shown_place
    from dfs_store.report import gather, report_html

    from ..shown.picture_files import check_free, check_outside, check_picture_path, write_files

    path = Path(out)
    check_picture_path(path, (".html", ".htm"), "a report")
    check_outside(path, store)
    check_free([path], overwrite=overwrite)
    with open_store(store) as opened:
        chosen = which.chosen_clips(opened, classes, clips, per_class)
        if clips is None and per_class is None and len(chosen) > SHOWN_UNASKED:
            chosen = _some_of_each(opened, chosen)
        named = [Path(file) for file in results] if results else None
        with _output.Progress("report", quiet=quiet) as progress:
            contents = gather(opened, chosen, named, on_progress=progress.update)
        page = report_html(contents).encode("utf-8", "backslashreplace")
    list(write_files([path], [page]))
    told = {
        "store": shown_place(store),
        "out": out,
        "size_bytes": len(page),
        "clips": chosen,
        "results": [evaluation.file for evaluation in contents.evaluations],
        "results_left_out": contents.left_out,
        "ok": not contents.findings,
        "findings": [finding.to_json() for finding in contents.findings],
    }
    if json:
        _output.document("dfs.report/1", told)
    else:
        _output.echo(_text(told, len(opened)))
    return FOUND_WANTING if contents.findings else 0


def _some_of_each(store: "KeyFrameStore", chosen: list[int]) -> list[int]:
    """Returns an equal number of clips of each class, at least one, up to about `SHOWN_UNASKED` in total."""
    by_class: dict[int, list[int]] = {}
    for clip in chosen:
        by_class.setdefault(int(store.labels[clip]), []).append(clip)
    each = max(1, SHOWN_UNASKED // len(by_class))
    return sorted(clip for clips in by_class.values() for clip in clips[:each])


def _text(told: dict[str, Any], num_clips: int) -> str:
    shown, number = len(told["clips"]), len(told["results"])
    clips = f"{shown:,} of {counted(num_clips, 'clip')}" + (
        "" if shown == num_clips else " (--per-class shows more)"
    )
    evaluations = counted(number, "evaluation") if number else "no evaluation yet"
    state = (
        "intact"
        if told["ok"]
        else f"damaged: {counted(len(told['findings']), 'problem')}, listed on the page"
    )
    size = _output.size_text(told["size_bytes"])
    lines = [f"{told['out']}: {size}, {clips}, {evaluations}; the store is {state}"]
    if told["results_left_out"]:
        lines.append(f"evaluations left out: {', '.join(told['results_left_out'])}")
    return "\n".join(lines)
