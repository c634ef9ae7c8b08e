"""The options of `dfs compare`: its own, and those with which `dfs evaluate` trains and tests."""

import copy
from typing import Annotated, Any, get_args, get_origin

import typer

from dfs_store.condense.methods import method_names

from .. import _completion as offer
from . import evaluate
from .groups import Group

EVALUATION = "Training and testing (as dfs evaluate)"
CONTROLS = "equal-clips, equal-frames, equal-bytes, equal-passes, still, whole"

Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER|LIST",
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
    str | None, typer.Option("--vpc", metavar="N,N", help="Videos per class, commas between; or all.")
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


def given_training(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options of `TRAINING` that are not at their defaults."""
    return {n: options[n] for n, (_, default) in evaluate.TRAINING.items() if options[n] != default}


def _in_panel(annotation: Any) -> Any:  # noqa: ANN401 - an Annotated type
    """Puts an option into the group of the help that says where it comes from."""
    assert get_origin(annotation) is Annotated, annotation
    kind, option = get_args(annotation)
    option = copy.copy(option)
    option.rich_help_panel = EVALUATION
    return Annotated[kind, option]


CLIPS: Group = evaluate.CLIPS
TRAINING: Group = {n: (_in_panel(kind), default) for n, (kind, default) in evaluate.TRAINING.items()}
