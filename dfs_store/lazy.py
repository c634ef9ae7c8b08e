"""Public names of a package that are imported on first use (PEP 562), so that importing it stays light."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["imported_on_first_use"]


def imported_on_first_use(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` of a package.

    Args:
        package: its name.
        homes: the module that each public name is defined in.
    """

    def get(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
