"""Imports the public names of a package on first use (PEP 562), so that importing the package is fast."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["imported_on_first_use"]


def imported_on_first_use(
    package: str, names: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` for a package.

    Args:
        package: name of the package.
        names: maps each module to the public names that it defines.
        modules: public submodules of the package.
    """
    homes = {name: module for module, defined in names.items() for name in defined}
    homes |= {name: f"{package}.{name}" for name in modules}

    def get(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name])
        value = module if name in modules else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, listed
