"""Builds options from the settings of `dfs condense`, for all commands that share them."""

from dataclasses import MISSING, fields
from typing import Annotated, Any

import typer

from dfs_store.condense.methods import method_names
from dfs_store.condense.settings import Settings, flag_of, kinds_of, words_of
from dfs_store.videos.files.splits import split_name

from .. import _completion as offer
from .groups import Group

__all__ = ["clip_flags", "clips_per_class", "options_of", "plain_type", "typer_option"]

_FIELDS = {each.name: each for each in fields(Settings)}


def plain_type(name: str) -> type:
    """Returns the type of a setting on the command line, or str if the value is parsed later."""
    kinds = kinds_of(_FIELDS[name].type) - {type(None)}
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= {bool, int, float} else str


def typer_option(name: str) -> Any:  # noqa: ANN401 - Typer's own type is private
    """Returns a setting's option, with its flag, help, panel and completion."""
    setting, flag = _FIELDS[name], flag_of(name)
    about = setting.metadata["option"]
    words = (*about.words, *words_of(setting.type))
    complete = {"dataset": offer.complete_dataset, "method": offer.one_of(*method_names())}.get(
        name, offer.one_of(*words) if words else None
    )
    # A boolean whose default is taken from the preset needs a negative flag.
    has_negative = plain_type(name) is bool and setting.default is None
    return typer.Option(
        f"{flag}/--no-{flag[2:]}" if has_negative else flag,
        metavar=about.metavar,
        help=about.help.replace("{methods}", ", ".join(method_names())),
        show_default=about.shown or _shown(setting.default),
        autocompletion=complete,
        rich_help_panel=about.panel,
        parser={"split": _official_split, "vpc": clips_per_class}.get(name),
    )


def options_of(*names: str) -> Group:
    """Returns the options of the named settings. A value of None means that the option was not given."""
    return {name: (Annotated[plain_type(name) | None, typer_option(name)], None) for name in names}


def clip_flags(settings: object, *names: str) -> list[str]:
    """Returns flags that repeat the named settings, except those that are None."""
    words = []
    for name in names:
        value = getattr(settings, name)
        if value is not None:
            words += [flag_of(name), ",".join(value) if isinstance(value, tuple | list) else f"{value}"]
    return words


def _official_split(text: str) -> int:
    """Parses --split. The error mentions --part if the value names a part of the dataset, such as "train"."""
    try:
        return int(text)
    except ValueError:
        is_part = split_name(text) is not None
        more = "; commands that use one part have --part to choose training or test clips" if is_part else ""
        raise typer.BadParameter(
            f"must be the number of an official split, 1 to 3, got {text!r}{more}"
        ) from None


def clips_per_class(text: str) -> int | str:
    """Parses --vpc, which is a number or "all"."""
    try:
        return text if text == "all" else int(text)
    except ValueError:
        raise typer.BadParameter(f"must be the number of clips per class, or all, got {text!r}") from None


def _shown(default: object) -> str | bool:
    if default in (None, False, MISSING):
        return False
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
