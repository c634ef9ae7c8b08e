"""Adds groups of shared options to commands."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Group", "takes", "with_options"]

# Annotation and default of each option, by parameter name.
Group = Mapping[str, tuple[Any, Any]]


def with_options(
    function: Callable[..., Any], options: list[inspect.Parameter], *, first: bool
) -> Callable[..., Any]:
    """Replaces a command's `**` parameter with options, placed before or after its own parameters."""
    own = [
        each.replace(kind=each.KEYWORD_ONLY)
        for each in inspect.signature(function).parameters.values()
        if each.kind is not each.VAR_KEYWORD
    ]
    signature = inspect.Signature([*options, *own] if first else [*own, *options])
    # Typer reads these attributes.
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return function


def takes(*groups: Group) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds groups of options to a command whose last parameter is `**options`."""
    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for group in groups
        for name, (annotation, default) in group.items()
    ]
    return functools.partial(with_options, options=made, first=False)
