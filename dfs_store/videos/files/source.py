"""Where the real videos of a store are: recorded when it is made, found again when it is used."""

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
    """Returns a dataset as its store records it: a name as it is, a folder as a path seen from the store.

    Args:
        dataset: a name of the catalogue, an existing path, or any other name.
        store: the path of the store.
    """
    path = Path(dataset).expanduser()
    return dataset if dataset in CATALOGUE or not path.exists() else recorded_path(path, store)


def source_of(store: "KeyFrameStore") -> str:
    """Returns the dataset that a store was made from: a name of the catalogue, or an absolute path.

    Raises:
        SettingsError: the store does not say.
        DatasetNotFoundError: it names a folder that is not there (any more).
    """
    recorded = (store.attributes.get("provenance") or {}).get("dataset")
    if not recorded or not isinstance(recorded, str):
        raise SettingsError(
            f"{store.path} does not say which dataset it came from; add --dataset NAME|FOLDER|LIST "
            "(dataset=... in Python)"
        )
    if recorded in CATALOGUE:
        return recorded
    path = found_path(recorded, store.path)
    if not os.path.exists(path):
        raise DatasetNotFoundError(
            f"{store.path} was made from {recorded!r}, and there is nothing at {path}; if the videos are "
            "elsewhere now, add --dataset FOLDER (dataset=... in Python)"
        )
    return path


def found_beside(store: "KeyFrameStore", recorded: str | None) -> str | None:
    """Returns where a file is that a store records as `recorded_source` does; None if it records none."""
    return None if recorded is None else found_path(recorded, store.path)
