"""Names that people type: found, or answered with the nearest that there is."""

import difflib
from collections.abc import Iterable

from dfs_store.errors import SettingsError

__all__ = ["known_name", "nearest_name"]


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that a mistyped one most likely means, whatever its case; or None."""
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def known_name(name: str, known: Iterable[str], what: str) -> str:
    """Returns the name if it is known.

    Args:
        name: as it was typed.
        known: the names there are.
        what: what they name, in words: "class", "method", "dataset".

    Raises:
        SettingsError: it is not; the message says what was probably meant, and which there are.
    """
    names = list(known)
    if name in names:
        return name
    raise SettingsError(unknown_name(name, names, what))


def unknown_name(name: str, known: Iterable[str], what: str) -> str:
    """Writes the message about a name that is not known."""
    names, shown = list(known), 20
    meant = nearest_name(name, names)
    guess = f" Did you mean {meant!r}?" if meant is not None else ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"there is no {what} {name!r}.{guess} Known are: {', '.join(names[:shown])}{more}"
