"""Converts paths between absolute form and the form recorded in a store's provenance.

Recorded paths are relative to the store if possible, so that it can be moved together with its videos. They
begin with "./", "../" or "/", which distinguishes them from names of datasets in the catalogue.
"""

import os
from pathlib import Path
from typing import Any

from dfs_store.format.io.place import locate
from dfs_store.names import without_secrets

__all__ = ["found_path", "portable", "rebased", "recorded_path", "source_name"]

PathLike = str | os.PathLike[str]

# Keys of the provenance, at any depth, whose values are paths of source data.
_SOURCES = ("dataset", "test_list", "class_names")


def recorded_path(path: PathLike, store: PathLike) -> str:
    """Returns a path as a store records it: relative to the store's parent folder if possible, else absolute.

    The path is absolute if the store is at a URL, or if the two paths share only the root of the file system,
    since they would rarely be moved together.
    """
    target, place = os.path.abspath(path), locate(store)
    if not isinstance(place, Path):
        return target
    folder = os.path.dirname(os.path.abspath(place))
    if os.path.dirname(common := os.path.commonpath([target, folder])) == common:
        return target
    relative = os.path.relpath(target, folder)
    return relative if relative.split(os.sep)[0] == os.pardir else os.path.join(os.curdir, relative)


def found_path(recorded: str, store: PathLike) -> str:
    """Converts a path from a store's provenance to an absolute path."""
    place = locate(store)
    folder = os.path.dirname(os.path.abspath(place)) if isinstance(place, Path) else os.getcwd()
    return os.path.normpath(os.path.join(folder, recorded))


def rebased(provenance: Any, old: PathLike, new: PathLike) -> Any:  # noqa: ANN401 - any JSON
    """Returns a store's provenance for a copy at another path, with source paths relative to the copy."""

    def seen(value: str) -> str:
        return recorded_path(found_path(value, old), new) if _is_relative(value) else value

    return _mapped(provenance, seen, lambda value: value)


def portable(provenance: Any) -> Any:  # noqa: ANN401 - any JSON
    """Returns the provenance with every local path reduced to its last part, for publication."""
    return _mapped(
        provenance,
        lambda value: without_secrets(source_name(value)),
        lambda value: source_name(value) if os.path.isabs(value) else without_secrets(value),
    )


def source_name(dataset: str) -> str:
    """Returns the last part of a path, or the name of a dataset unchanged."""
    if _is_relative(dataset) or os.path.isabs(dataset):
        return os.path.basename(os.path.normpath(dataset)) or dataset
    return dataset


def _is_relative(value: str) -> bool:
    return value.split("/")[0] in (os.curdir, os.pardir)


def _mapped(value: Any, source: Any, other: Any, key: str = "") -> Any:  # noqa: ANN401 - any JSON
    """Applies `source` to all strings under the keys in `_SOURCES`, and `other` to all other strings."""
    if isinstance(value, dict):
        return {name: _mapped(item, source, other, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, source, other, key) for item in value]
    if isinstance(value, str):
        return source(value) if key in _SOURCES else other(value)
    return value
