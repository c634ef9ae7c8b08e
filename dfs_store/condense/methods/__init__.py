"""The built-in methods. Each has one file, named after it, that defines its record `METHOD`.

Adding a file here adds a method to the command line, `--dry-run`, completion, evaluation and tables. A
user-defined method is specified as `module:name`, and does not need a file here.
"""

import importlib
import pkgutil
from functools import cache

from dfs_store.condense.method import Method
from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

__all__ = ["method_named", "method_names"]


@cache
def method_names() -> tuple[str, ...]:
    """Returns the names of the built-in methods, sorted."""
    files = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in files if not name.startswith("_")))


def method_named(name: str) -> Method:
    """Returns the record of a method.

    Args:
        name: one of `method_names`; or "module:name" of a record, or of a function that takes resolved
            settings and real clips and yields clips (docs/guides/own-method.md).

    Raises:
        SettingsError: there is no such method.
    """
    if ":" in name:
        from dfs_store.condense.methods._own import own_method

        return own_method(name)
    names = method_names()
    if name not in names:
        raise SettingsError(
            f"--method must be one of {', '.join(names)}, or module:function for your own method, "
            f"got {name!r}{did_you_mean(name, names)}"
        )
    record: Method = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").METHOD
    return record
