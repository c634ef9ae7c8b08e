"""`dfs table`: tabulates results of `dfs evaluate` and `dfs compare`."""

from pathlib import Path
from typing import Annotated

import typer

from .. import _output
from .._completion import one_of
from .._exit_codes import command
from ..options import shared
from ..shown.picture_files import check_free


@command
def table(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS", help="Result files from dfs evaluate, or folders that contain results."
        ),
    ],
    style: Annotated[
        str,
        typer.Option(
            "--format",
            help="Format of the table: text, markdown, latex or csv.",
            autocompletion=one_of("text", "markdown", "latex", "csv"),
        ),
    ] = "text",
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot", metavar="FILE", help="Write a plot of accuracy against size: .png, .svg or .pdf."
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Tabulate accuracy, storage and cost, averaged over seeds, next to the paper's results.

    dfs table *.json --format markdown --plot results.png
    """
    from dataclasses import asdict

    from dfs_store.evaluate.table import read_results
    from dfs_store.evaluate.table_text import STYLES
    from dfs_store.names import known_name

    known_name(style, STYLES, "--format")
    if plot is not None:
        from dfs_store.evaluate.table_plot import check_plot
        from dfs_store.evaluate.table_plot import plot as draw

        check_plot(plot)
        check_free([Path(plot)], overwrite=overwrite, flag="--plot")
    rows = read_results(results)
    if json:
        _output.document("dfs.table/1", {"rows": [asdict(row) for row in rows]})
    else:
        _output.echo(STYLES[style](rows))
    if plot is not None:
        draw(rows, plot)
        if not quiet:
            _output.note(f"drawn in {plot}")
