"""Converts class names to folder names that are valid and distinct on all file systems."""

import os
import unicodedata
from collections.abc import Sequence

__all__ = ["folder_names", "store_name"]

_FORBIDDEN = frozenset('/\\<>:"|?*')
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
# Readers of class folders interpret these as splits, not as classes.
_PARTS = {"train", "test", "val", "validation", "store"}
_MAX_BYTES = 100


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """Returns the folder name for every class name.

    Valid names do not change. In all other names, characters that some file systems do not allow are replaced
    by `_`, leading and trailing dots and spaces are removed, and long names are shortened. Names that are
    equal on case-insensitive file systems are numbered `-2`, `-3` and so on.
    """
    cleaned = {name: _clean(name) for name in names}
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: cleaned[name] != name):  # unchanged names come first
        folder, number = cleaned[name], 1
        while _folded(folder) in taken:
            number += 1
            folder = f"{cleaned[name]}-{number}"
        taken.add(_folded(folder))
        found[name] = folder
    return {name: found[name] for name in names}


def store_name(path: str | os.PathLike[str]) -> str:
    """Returns a store's name without its folder and suffixes, as a valid file name."""
    last = os.fspath(path).rstrip("/").rpartition("/")[2]
    for suffix in (".zip", ".zarr", ".h5", ".hdf5"):
        last = last.removesuffix(suffix)
    (safe,) = folder_names([last]).values()
    return safe


def _clean(name: str) -> str:
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if ch in _FORBIDDEN or _is_control(ch) else ch for ch in text).strip(" .")
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(" .")
    if not text:
        return "class"
    if text.startswith("-"):
        return f"_{text}"  # cannot be mistaken for a command-line option
    if text.split(".")[0].rstrip().casefold() in _DEVICES:
        return f"_{text}"
    return f"{text}_" if text.casefold() in _PARTS else text


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    # Control characters, surrogates, unassigned code points; line and paragraph separators.
    return category[0] == "C" or category in ("Zl", "Zp")


def _folded(folder: str) -> str:
    return unicodedata.normalize("NFKC", folder).casefold()
