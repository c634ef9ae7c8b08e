"""Adds groups of shared options to commands."""

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["Group", "takes"]

# Annotation and default of each option, by parameter name.
Group = dict[str, tuple[Any, Any]]


def takes(*groups: Group, first: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds groups of options to a command, whose last parameter must be `**options`.

    Args:
        groups: the options.
        first: whether the groups precede the command's own parameters in the help.
    """
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for group in groups
        for name, (annotation, default) in group.items()
    ]

    def changed(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [
            each.replace(kind=each.KEYWORD_ONLY)
            for each in inspect.signature(function).parameters.values()
            if each.kind is not each.VAR_KEYWORD
        ]
        signature = inspect.Signature([*added, *own] if first else [*own, *added])
        # Typer reads these attributes.
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return function

    return changed
