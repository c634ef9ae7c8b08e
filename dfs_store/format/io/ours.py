"""Recognises stores, intact or damaged, because nothing else may be overwritten."""

import re
from collections.abc import Iterable

from dfs_store.format.io.reading import parse_json
from dfs_store.format.spec import ATTRIBUTE, CODED, FRAMES, NATIVE, SMALL_ARRAYS, ZARR_JSON

__all__ = ["NAMES_IN_A_FILE", "header_is_ours", "names_are_ours"]

# An HDF5 or zip file that contains none of these names is not a store. A zip archive may compress the header,
# but not the names of its files.
NAMES_IN_A_FILE = tuple(name.encode() for name in (ATTRIBUTE, f"{FRAMES}/", f"{CODED}/"))
_ARRAYS = "|".join((FRAMES, CODED, *SMALL_ARRAYS, rf"{NATIVE}(/\w+)?"))
_OWN_NAME = re.compile(rf"{ZARR_JSON}|({_ARRAYS})(/({ZARR_JSON}|c[./\d]*))?")


def header_is_ours(text: bytes) -> bool:
    """Returns whether the text of a folder's zarr.json contains the header of a store."""
    try:
        root = parse_json(text)
    except ValueError:
        return False
    attributes = root.get("attributes") if isinstance(root, dict) else None
    return isinstance(attributes, dict) and ATTRIBUTE in attributes


def names_are_ours(names: Iterable[str]) -> bool:
    """Returns whether all names of files and folders are names that a Zarr store may contain."""
    return all(map(_OWN_NAME.fullmatch, names))
