"""Parses settings given as NAME=VALUE on the command line."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any

from dfs_store.condense.settings import Settings, kinds_of, words_of
from dfs_store.errors import SettingsError
from dfs_store.evaluate.run import EvaluationSettings
from dfs_store.names import did_you_mean

__all__ = ["EVALUATE", "parse_settings", "split_name"]

EVALUATE = "evaluate"  # prefix of evaluation settings, as in `evaluate.lr`
# Settings that have their own options in `dfs compare`.
_RESERVED = ("dataset", "vpc", "out", "method", "seed", "resume", "overwrite", "device", "root", "hold_out")
_CONDENSE = {each.name: each.type for each in fields(Settings)}
_EVALUATE = {each.name: each.type for each in fields(EvaluationSettings)}
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


def parse_settings(texts: Sequence[str], flag: str, *, several: bool = False) -> dict[str, Any]:
    """Parses settings of the form NAME=VALUE or NAME=a,b,c.

    Args:
        texts: the settings. NAME is a field of `CondenseConfig`, for all methods that use it, or METHOD.NAME
            for a single method. `evaluate.NAME` is a field of `EvaluationSettings`; the prefix is optional if
            `CondenseConfig` has no field with that name. Dashes are read as underscores.
        flag: name of the option, for error messages.
        several: whether values are comma-separated lists, which are returned as tuples.

    Raises:
        SettingsError: a setting is unknown or given twice, or a value has the wrong type.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            form = "SETTING=a,b,c" if several else "SETTING=VALUE"
            raise SettingsError(f"{flag} must be {form}, got {text!r}")
        owner, own = split_name(name.strip(), flag)
        kind = (_EVALUATE if owner == EVALUATE else _CONDENSE)[own]
        parts = value.split(",") if several else [value]
        values = tuple(_value(kind, part.strip(), f"{flag} {name}") for part in parts)
        full = own if owner is None else f"{owner}.{own}"
        if full in found:
            raise SettingsError(f"{flag} sets {full} twice; set it once")
        found[full] = values if several else values[0]
    return found


def split_name(name: str, flag: str = "a setting") -> tuple[str | None, str]:
    """Splits the name of a setting into its owner and its field.

    Returns:
        The owner (a method, `EVALUATE`, or None for all methods) and the name of the field.

    Raises:
        SettingsError: the setting is unknown, or has its own option in `dfs compare`.
    """
    owner, _, own = name.rpartition(".")
    own = own.replace("-", "_")
    if not owner and own not in _CONDENSE and own in _EVALUATE:
        owner = EVALUATE
    known = _EVALUATE if owner == EVALUATE else _CONDENSE
    if own in _RESERVED:
        raise SettingsError(
            f"{flag} must not contain {own}, which `dfs compare` sets itself; leave out {own}"
        )
    if own not in known:
        names: Iterable[str] = sorted({*known, *_EVALUATE} - set(_RESERVED))
        raise SettingsError(f"{flag}: there is no setting {own!r}{did_you_mean(own, names)}")
    return owner or None, own


def _value(kind: Any, text: str, what: str) -> Any:  # noqa: ANN401 - a type; a value of any setting
    """Parses a value. Words are checked later, by the settings classes."""
    kinds = kinds_of(kind)
    if NoneType in kinds and text.lower() == "none" and not words_of(kind) and str not in kinds:
        return None
    if words_of(kind) or str in kinds:
        return text
    if tuple in kinds:
        return tuple(int(part) if part.isdigit() else part for part in text.split("+"))
    try:
        if bool in kinds:
            return _BOOLEANS[text.lower()]
        return int(text) if int in kinds else float(text)
    except (ValueError, KeyError):
        wanted = "true or false" if bool in kinds else "a whole number" if int in kinds else "a number"
        raise SettingsError(f"{what} must be {wanted}, got {text!r}") from None
