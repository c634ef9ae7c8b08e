"""The options of `dfs condense`, made from the fields of its settings.

None means that an option was not given, so the settings file or the preset decides.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from dfs_store.condense.settings import RUNNING, Settings

from .. import _completion as offer
from .of_settings import plain_type, typer_option

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan, do nothing.", rich_help_panel=RUNNING)
]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="tensorboard|wandb",
        autocompletion=offer.one_of("tensorboard", "wandb"),
        help="Follow the run there, too.",
        rich_help_panel=RUNNING,
    ),
]
Config = Annotated[
    str | None, typer.Option(metavar="FILE", help="Settings as TOML or JSON.", rich_help_panel=RUNNING)
]


def takes_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command whose last parameter is `**settings` an option for each field of the settings."""
    parameters = inspect.signature(function).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    own = [each.replace(kind=kind) for each in parameters if each.kind is not each.VAR_KEYWORD]
    made = [
        inspect.Parameter(
            each.name,
            kind,
            default=None,
            annotation=Annotated[plain_type(each.name) | None, typer_option(each.name)],
        )
        for each in fields(Settings)
    ]
    signature = inspect.Signature([*made, *own])
    # What Typer reads.
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return function
