"""Imports user code by name (`module:name`), including modules in the current folder."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dfs_store.errors import SettingsError

__all__ = ["imported", "working_folder_on_path"]


@contextmanager
def working_folder_on_path() -> Iterator[None]:
    """Makes modules in the current folder importable, even from an installed script such as `dfs`."""
    path = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = path


def imported(name: str, flag: str, kind: str) -> Any:  # noqa: ANN401 - whatever the user wrote
    """Imports an object by name.

    Args:
        name: "module:name", for example "my_package.networks:Tiny".
        flag: the option that names the object, for messages: "--model".
        kind: what the object is, for messages: "Class".

    Raises:
        SettingsError: the module does not exist, cannot be imported, or does not define the name.
    """
    module, _, attribute = name.partition(":")
    try:
        with working_folder_on_path():
            return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        raise SettingsError(
            f"{flag} {name}: cannot import {attribute or f'a {kind.lower()}'} from {module!r} "
            f"({type(error).__name__}: {error}); write it as module:{kind}"
        ) from error
