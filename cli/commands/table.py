"""`dfs table`: results of `dfs evaluate` side by side."""

from typing import Annotated

import typer

from .. import _output
from .._completion import one_of
from .._exit_codes import command
from ..options import shared


@command
def table(
    results: Annotated[
        list[str],
        typer.Argument(metavar="RESULTS...", help="JSON files of dfs evaluate, or folders of them."),
    ],
    style: Annotated[
        str,
        typer.Option(
            "--format", help="text, markdown or csv.", autocompletion=one_of("text", "markdown", "csv")
        ),
    ] = "text",
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Accuracy against MiB: .png, .svg or .pdf.")
    ] = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Put results side by side: accuracy, storage, and the paper's figures where there are any.

    dfs table *.json --format markdown --plot results.png
    """
    from dataclasses import asdict
    from pathlib import Path

    from dfs_store.errors import SettingsError
    from dfs_store.evaluate import table as tables
    from dfs_store.pictures.charts import CHART_SUFFIXES

    from ..shown.picture_files import check_free, check_picture_path

    if plot is not None:  # before anything is read
        check_picture_path(Path(plot), CHART_SUFFIXES, "a plot", flag="--plot")
        check_free([Path(plot)], overwrite=overwrite, flag="--plot")
    styles = {"text": tables.to_text, "markdown": tables.to_markdown, "csv": tables.to_csv}
    if style not in styles:
        raise SettingsError(f"--format must be one of {', '.join(styles)}, got {style!r}")
    rows = tables.read_results(results)
    if json:
        _output.document("dfs.table/1", {"rows": [asdict(row) for row in rows]})
    else:
        _output.echo(styles[style](rows))
    if plot is not None:
        tables.plot(rows, plot)
        if not quiet:
            _output.note(f"drawn in {plot}")
