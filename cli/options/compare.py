"""The options of `dfs compare`: its own, and those with which `dfs evaluate` trains and tests."""

import copy
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import typer

from dfs_store.condense.methods import method_names

from .. import _completion as offer
from ..commands.evaluate import evaluate

EVALUATION = "Training and testing (as dfs evaluate)"
CONTROLS = "equal-clips, equal-frames, equal-bytes, equal-passes, still, whole"
# Parameters of `dfs evaluate` that say what is evaluated, and where, not how.
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
        help="What to condense and test on.",
    ),
]
Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        metavar="NAME,NAME",
        autocompletion=offer.one_of(*method_names()),
        help=f"{', '.join(method_names())}; or module:function.",
    ),
]
Vpc = Annotated[
    str | None, typer.Option("--vpc", metavar="N,N", help="Synthetic videos per class, commas between.")
]
Seeds = Annotated[int, typer.Option("--seeds", help="Condensations of each cell, seeds 0, 1, 2 ...")]
Out = Annotated[str, typer.Option("--out", metavar="DIR", help="Folder of stores, results and tables.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="Of condensing: iterations=200, dfs.init=real; evaluate.SETTING.",
    ),
]
Vary = Annotated[
    list[str] | None, typer.Option("--vary", metavar="SETTING=a,b,c", help="A row for each of the values.")
]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="SIZE", help="Bytes that every method may keep: 100KiB.")
]
Table = Annotated[int | None, typer.Option("--table", help="Run a table of the paper, 1 to 6.")]
Controls = Annotated[
    str,
    typer.Option(
        "--controls",
        metavar="NAME,NAME",
        autocompletion=offer.one_of("all", "none", *CONTROLS.split(", ")),
        help=f"all, none, or some of {CONTROLS}.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells and forecast the time, do nothing.")]


def takes_evaluation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command whose last parameter is `**evaluation` the options with which networks are trained."""
    parameters = inspect.signature(function).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    own = [each.replace(kind=kind) for each in parameters if each.kind is not each.VAR_KEYWORD]
    made = [
        each.replace(kind=kind, annotation=_in_panel(each.annotation))
        for each in inspect.signature(evaluate).parameters.values()
        if each.name not in _NOT_HOW
    ]
    signature = inspect.Signature([*own, *made])
    # What Typer reads.
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return function


def given_evaluation(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the options of `takes_evaluation` that are not at their defaults."""
    defaults = inspect.signature(evaluate).parameters
    return {name: value for name, value in values.items() if value != defaults[name].default}


def _in_panel(annotation: Any) -> Any:  # noqa: ANN401 - an Annotated type
    """Puts an option into the group of the help that says where it comes from."""
    assert get_origin(annotation) is Annotated, annotation
    kind, option = get_args(annotation)
    option = copy.copy(option)
    option.rich_help_panel = EVALUATION
    return Annotated[kind, option]
