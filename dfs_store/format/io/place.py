"""Where a store is: a path on this machine, or a URL that fsspec opens.

`pathlib` makes `s3:/bucket` of `s3://bucket`, so whatever takes the path of a store calls `locate` and never
`Path`.
"""

import os
import re
from pathlib import Path, PurePosixPath
from typing import TypeAlias

__all__ = ["Place", "StoreURL", "absolute_text", "collapsed_url", "local_beside", "locate", "shown_place"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(::\S*)?://")
_COLLAPSED = re.compile(r"(?:^|/)([A-Za-z][A-Za-z0-9+.\-]+):/[^/]")
_USER = re.compile(r"((?:^|::)[A-Za-z][A-Za-z0-9+.\-]*://)[^/]*@")
_WEB = re.compile(r"(^|::)https?://", re.IGNORECASE)
_LOCAL = ("file://", "local://")
_DIGITS = 8


class StoreURL(os.PathLike[str]):
    """The URL of a store, as much like a path as the format needs; as text it shows no secret.

    Args:
        url: anything that fsspec opens: `s3://bucket/ucf.zarr`, `https://host/ucf.h5`, `memory://ucf.zarr`.

    Attributes:
        url: as given, without slashes at its end.
        name: the last part of the path, without a query.
    """

    def __init__(self, url: str) -> None:
        self.url = url if url.endswith("://") else url.rstrip("/")
        self.name = self._without_secrets().rpartition("/")[2]

    def _without_secrets(self) -> str:
        # A password, and the query of a signed URL; of other protocols `?` is a letter like others.
        bare = self.url.partition("?")[0] if _WEB.search(self.url) else self.url
        return _USER.sub(r"\1", bare)

    @property
    def suffix(self) -> str:
        """The name's last suffix, with its dot."""
        return PurePosixPath(self.name).suffix

    def absolute(self) -> "StoreURL":
        """Returns itself: a URL does not depend on the working folder."""
        return self

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return self._without_secrets()

    def __repr__(self) -> str:
        return f"StoreURL({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoreURL) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)


Place: TypeAlias = Path | StoreURL


def locate(path: str | os.PathLike[str]) -> Place:
    """Returns where a store is; `file://` is a path of this machine like any other."""
    if isinstance(path, StoreURL):
        return path
    text = os.fspath(path)
    for start in _LOCAL:
        if text.startswith(start):
            return Path(text.removeprefix(start))
    return StoreURL(text) if _URL.match(text) else Path(path)


def shown_place(path: str | os.PathLike[str]) -> str:
    """Returns a place as it may be printed and written down: as given, a URL without its secrets."""
    place = locate(path)
    return str(place) if isinstance(place, StoreURL) else os.fspath(path)


def absolute_text(place: Place) -> str:
    """Returns a place as text that means the same in another working folder."""
    return place.url if isinstance(place, StoreURL) else os.path.abspath(place)


def collapsed_url(place: Place) -> str:
    """Returns a hint for a message where a path looks like a URL that went through `pathlib`, else ""."""
    found = None if isinstance(place, StoreURL) else _COLLAPSED.search(str(place))
    return f"; a URL is given as text, {found[1]}://..., since pathlib drops a slash" if found else ""


def local_beside(out: str | os.PathLike[str]) -> Path:
    """Returns the path on this machine that files of a run are named after: checkpoints, locks, results.

    The output itself, or for a URL a name of its own in the working folder.
    """
    place = locate(out)
    if isinstance(place, Path):
        return place
    import hashlib

    return Path(f"{place.name}.{hashlib.sha256(str(place).encode()).hexdigest()[:_DIGITS]}")
