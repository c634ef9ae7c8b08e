"""The options of `dfs condense`, made from the fields of its settings.

None means that an option was not given, so the settings file or the preset decides.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any

import typer

from dfs_store.condense.methods import method_names
from dfs_store.condense.settings import RUNNING, Settings, flag_of, kinds_of, words_of

from .. import _completion as offer

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan, do nothing.", rich_help_panel=RUNNING)
]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="tensorboard",
        autocompletion=offer.one_of("tensorboard"),
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
        inspect.Parameter(each.name, kind, default=None, annotation=option_of(each))
        for each in fields(Settings)
    ]
    signature = inspect.Signature([*made, *own])
    # What Typer reads.
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return function


def option_of(setting: "Field[Any]") -> Any:  # noqa: ANN401 - Annotated[...]
    """Returns the annotation of a parameter that gives a setting."""
    about, flag = setting.metadata["option"], flag_of(setting.name)
    kinds = kinds_of(setting.type) - {type(None)}
    plain = next(iter(kinds)) if len(kinds) == 1 and kinds <= {bool, int, float} else str
    words = (*about.words, *words_of(setting.type))
    complete = {"dataset": offer.complete_dataset, "method": offer.one_of(*method_names())}.get(
        setting.name, offer.one_of(*words) if words else None
    )
    # What may be left to the preset needs a word for no.
    declared = f"{flag}/--no-{flag[2:]}" if plain is bool and setting.default is None else flag
    return Annotated[
        plain | None,
        typer.Option(
            declared,
            metavar=about.metavar,
            help=about.help.replace("{methods}", ", ".join(method_names())),
            show_default=_shown(setting.default),
            autocompletion=complete,
            rich_help_panel=about.panel,
        ),
    ]


def _shown(default: object) -> str | bool:
    if default in (None, False, MISSING):
        return False
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
