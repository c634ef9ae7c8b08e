"""The Typer application with all commands."""

import typer

from dfs_store.errors import DFSError

from ._exit_codes import exit_code
from ._output import complain, echo, stdout_errors
from .commands import (
    compare,
    condense,
    convert,
    diff,
    evaluate,
    export,
    import_,
    inspect,
    merge,
    motion,
    preview,
    repair,
    report,
    table,
    verify,
)
from .commands.datasets import catalogue as datasets

app = typer.Typer(
    name="dfs",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from .shown.versions import versions_text

        echo(versions_text())
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False,
        "--version",
        help="Print version information for bug reports, and exit.",
        callback=_version,
        is_eager=True,
    ),
) -> None:
    """Condense labelled video datasets into a few key frames per clip; inspect, evaluate and copy stores."""


app.command("condense")(condense.condense)
app.command("inspect")(inspect.inspect)
app.command("preview")(preview.preview)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("motion")(motion.motion)
app.command("compare")(compare.compare)
app.command("table")(table.table)
app.command("verify")(verify.verify)
app.command("diff")(diff.diff)
app.command("convert")(convert.convert)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("merge")(merge.merge)
app.command("repair")(repair.repair)
app.add_typer(datasets.app, name="datasets")


def main() -> None:
    """Runs the command line and exits with a code from `_exit_codes`."""
    try:
        with stdout_errors():  # --help and --version do not run inside `command`
            app()
    except DFSError as error:
        complain(error)
        raise SystemExit(exit_code(error)) from error
