"""The options of `dfs condense`, built from the fields of its settings.

None means that an option was not given, in which case the settings file or the preset applies.
"""

from dataclasses import fields
from typing import Annotated

import typer

from dfs_store.condense.settings import RUNNING, Settings

from .. import _completion as offer
from .of_settings import options_of

SETTINGS = options_of(*(each.name for each in fields(Settings)))
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
