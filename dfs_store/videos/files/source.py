"""Records the path of a store's real videos when the store is written, and resolves it later."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dfs_store.errors import DatasetNotFoundError, SettingsError
from dfs_store.format.source_paths import found_path, recorded_path
from dfs_store.videos.files.catalogue import CATALOGUE

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore

__all__ = ["found_beside", "recorded_source", "source_of"]


def recorded_source(dataset: str, store: str | os.PathLike[str]) -> str:
    """Returns the name or path under which a store records its dataset. Paths are relative to the store.

    Args:
        dataset: a name from the catalogue, an existing path, or any other name.
        store: path of the store.
    """
    path = Path(dataset).expanduser()
    return dataset if dataset in CATALOGUE or not path.exists() else recorded_path(path, store)


def source_of(store: "KeyFrameStore") -> str:
    """Returns the dataset that a store was made from: a name from the catalogue, or an absolute path.

    Raises:
        SettingsError: the store does not record its dataset.
        DatasetNotFoundError: the recorded path does not exist.
    """
    recorded = store.provenance.get("dataset")
    if not recorded or not isinstance(recorded, str):
        raise SettingsError(
            f"{store.path} does not record which dataset it was made from; add --dataset NAME|FOLDER|LIST "
            "(dataset=... in Python)"
        )
    if recorded in CATALOGUE:
        return recorded
    path = found_path(recorded, store.path)
    if not os.path.exists(path):
        raise DatasetNotFoundError(
            f"{store.path} was made from {recorded!r}, but {path} does not exist; if the videos have moved, "
            "add --dataset FOLDER (dataset=... in Python)"
        )
    return path


def found_beside(store: "KeyFrameStore", recorded: str | None) -> str | None:
    """Returns the absolute path of a file that a store records with `recorded_source`, or None."""
    return None if recorded is None else found_path(recorded, store.path)
