"""The options of `dfs compare`: its own, and those of `dfs evaluate` for training and testing."""

import copy
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import typer

from dfs_store.condense.methods import method_names

from .. import _completion as offer
from ..commands.evaluate import evaluate
from .of_settings import with_options

EVALUATION = "Training and testing (as dfs evaluate)"
CONTROLS = "equal-clips, equal-frames, equal-bytes, equal-passes, still, whole"
# Parameters of `dfs evaluate` that select what to evaluate and where, and do not change how.
_NOT_HOW = {
    "store", "dataset", "root", "frames", "stride", "size", "split", "classes", "hold_out", "results",
    "overwrite", "seed", "device", "json", "quiet", "verbose",
}  # fmt: skip

Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER",
        autocompletion=offer.complete_dataset,
        help="Dataset to condense and to test on.",
    ),
]
Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        metavar="NAME,NAME",
        autocompletion=offer.one_of(*method_names()),
        help=f"Methods to compare: {', '.join(method_names())}; or module:function.",
    ),
]
Vpc = Annotated[
    str | None, typer.Option("--vpc", metavar="N,N", help="Clips per class, separated by commas.")
]
Seeds = Annotated[int, typer.Option("--seeds", help="Condensations of each cell, with seeds 0, 1, 2 ...")]
Out = Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for stores, results and tables.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="Change a setting: iterations=200, dfs.init=real, evaluate.epochs=100.",
    ),
]
Vary = Annotated[
    list[str] | None, typer.Option("--vary", metavar="SETTING=a,b,c", help="Add a row for each value.")
]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="SIZE", help="Byte budget of every method: 100KiB.")
]
Table = Annotated[int | None, typer.Option("--table", help="Run a table of the paper, 1 to 6.")]
Controls = Annotated[
    str,
    typer.Option(
        "--controls",
        metavar="NAME,NAME",
        autocompletion=offer.one_of("all", "none", *CONTROLS.split(", ")),
        help=f"Controls to include: all, none, or some of {CONTROLS}.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells, estimate the time, and exit.")]


def takes_evaluation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the training options to a command whose last parameter is `**evaluation`."""
    kind = inspect.Parameter.KEYWORD_ONLY
    made = [
        each.replace(kind=kind, annotation=_in_panel(each.annotation))
        for each in inspect.signature(evaluate).parameters.values()
        if each.name not in _NOT_HOW
    ]
    return with_options(function, made, first=False)


def given_evaluation(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the options of `takes_evaluation` that differ from their defaults."""
    defaults = inspect.signature(evaluate).parameters
    return {name: value for name, value in values.items() if value != defaults[name].default}


def _in_panel(annotation: Any) -> Any:  # noqa: ANN401 - an Annotated type
    """Moves an option to the help panel of evaluation options."""
    assert get_origin(annotation) is Annotated, annotation
    kind, option = get_args(annotation)
    option = copy.copy(option)
    option.rich_help_panel = EVALUATION
    return Annotated[kind, option]
