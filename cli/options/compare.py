"""The options of `dfs compare`, including those that it shares with `dfs evaluate`."""

import copy
from typing import Annotated, Any, get_args, get_origin

import typer

from dfs_store.condense.methods import method_names

from .. import _completion as offer
from . import evaluate
from .groups import Group

EVALUATION = "Training and testing (as in dfs evaluate)"
CONTROLS = "equal-clips, equal-frames, equal-bytes, equal-passes, still, whole"

Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER|LIST",
        autocompletion=offer.complete_dataset,
        help="Dataset to condense and test on.",
    ),
]
Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        metavar="NAME,NAME",
        autocompletion=offer.one_of(*method_names()),
        help=f"Methods to compare: {', '.join(method_names())}, or module:function.",
    ),
]
Vpc = Annotated[str | None, typer.Option("--vpc", metavar="N,N", help="Numbers of clips per class, or all.")]
Seeds = Annotated[
    int,
    typer.Option("--seeds", help="Number of stores per cell of the table, with seeds 0, 1 and so on."),
]
Out = Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for stores, results and tables.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="Change a setting, for example iterations=200, dfs.init=real or evaluate.runs=1.",
    ),
]
Vary = Annotated[
    list[str] | None,
    typer.Option("--vary", metavar="SETTING=a,b,c", help="Add a row for each value of a setting."),
]
Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="SIZE", help="Byte budget for each store, for example 100KiB."),
]
Table = Annotated[int | None, typer.Option("--table", help="Table of the paper to reproduce, 1 to 6.")]
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


def given_training(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options in `TRAINING` whose values differ from the defaults."""
    return {n: options[n] for n, (_, default) in evaluate.TRAINING.items() if options[n] != default}


def _in_panel(annotation: Any) -> Any:  # noqa: ANN401 - an Annotated type
    """Moves an option to the help panel for evaluation."""
    assert get_origin(annotation) is Annotated, annotation
    kind, option = get_args(annotation)
    option = copy.copy(option)
    option.rich_help_panel = EVALUATION
    return Annotated[kind, option]


CLIPS = evaluate.CLIPS
TRAINING: Group = {n: (_in_panel(kind), default) for n, (kind, default) in evaluate.TRAINING.items()}
