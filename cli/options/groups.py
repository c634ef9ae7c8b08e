"""Options that several commands have in common, given to a command together."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Group", "takes"]

# The annotation and the default of each option, by the name of its parameter.
Group = Mapping[str, tuple[Any, Any]]


def takes(*groups: Group) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command whose last parameter is `**options` the options of some groups."""

    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(function).parameters.values()
        own = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
        made = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for group in groups
            for name, (annotation, default) in group.items()
        ]
        signature = inspect.Signature([*own, *made])
        # What Typer reads.
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return function

    return give
