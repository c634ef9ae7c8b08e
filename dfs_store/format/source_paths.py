"""Paths in a store's provenance: those of its source are seen from the store, so that both can move together.

A recorded path begins with "./", "../" or "/", so that no folder is taken for a dataset of the catalogue.
"""

import os
from pathlib import Path
from typing import Any

from dfs_store.format.io.place import locate
from dfs_store.names import without_secrets

__all__ = ["found_path", "portable", "rebased", "recorded_path", "source_name"]

PathLike = str | os.PathLike[str]

# Keys of the provenance, at any depth, whose values name the real videos.
_SOURCES = ("dataset", "test_list", "class_names")


def recorded_path(path: PathLike, store: PathLike) -> str:
    """Returns a path as a store records it: relative to the folder of the store if possible, else absolute.

    It is absolute if the two share nothing but the root of the file system, which are rarely moved together,
    or if the store is at a URL.
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
    """Returns the absolute path that a store's recorded path means."""
    place = locate(store)
    folder = os.path.dirname(os.path.abspath(place)) if isinstance(place, Path) else os.getcwd()
    return os.path.normpath(os.path.join(folder, recorded))


def rebased(provenance: Any, old: PathLike, new: PathLike) -> Any:  # noqa: ANN401 - any JSON
    """Returns the provenance of a store for a copy elsewhere: the paths of its source are seen from there."""

    def seen(value: str) -> str:
        return recorded_path(found_path(value, old), new) if _is_relative(value) else value

    return _mapped(provenance, seen, lambda value: value)


def portable(provenance: Any) -> Any:  # noqa: ANN401 - any JSON
    """Returns a provenance for other people: of every path on this machine only the last part."""
    return _mapped(
        provenance,
        lambda value: without_secrets(source_name(value)),
        lambda value: source_name(value) if os.path.isabs(value) else without_secrets(value),
    )


def source_name(dataset: str) -> str:
    """Returns what to call a source: the name of a folder without where it is, any other name as it is."""
    if _is_relative(dataset) or os.path.isabs(dataset):
        return os.path.basename(os.path.normpath(dataset)) or dataset
    return dataset


def _is_relative(value: str) -> bool:
    return value.split("/")[0] in (os.curdir, os.pardir)


def _mapped(value: Any, source: Any, other: Any, key: str = "") -> Any:  # noqa: ANN401 - any JSON
    """Applies `source` to the texts under the keys that name real videos, and `other` to all other texts."""
    if isinstance(value, dict):
        return {name: _mapped(item, source, other, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, source, other, key) for item in value]
    if isinstance(value, str):
        return source(value) if key in _SOURCES else other(value)
    return value
