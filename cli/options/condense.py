"""The options of `dfs condense`, built from the fields of its settings.

None means that an option was not given, so the settings file or the preset applies.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from dfs_store.condense.settings import RUNNING, Settings

from .. import _completion as offer
from .groups import with_options
from .of_settings import plain_type, typer_option

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and exit.", rich_help_panel=RUNNING)]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="tensorboard|wandb",
        autocompletion=offer.one_of("tensorboard", "wandb"),
        help="Also log the run to TensorBoard or Weights & Biases.",
        rich_help_panel=RUNNING,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Read settings from a TOML or JSON file.", rich_help_panel=RUNNING),
]


def takes_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds an option for each setting to a command whose last parameter is `**settings`."""
    made = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[plain_type(each.name) | None, typer_option(each.name)],
        )
        for each in fields(Settings)
    ]
    return with_options(function, made, first=True)
