"""Distinguishes local paths from URLs that fsspec opens, and hides secrets in URLs.

`pathlib` turns `s3://bucket` into `s3:/bucket`, so functions that take the path of a store call `locate`
instead of `Path`.
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
    """The URL of a store, with the attributes of `pathlib.Path` that the format needs.

    `str` and `repr` omit user names, passwords and the queries of signed URLs.

    Args:
        url: a URL that fsspec can open, for example `s3://bucket/ucf.zarr` or `https://host/ucf.h5`.

    Attributes:
        url: the given URL without trailing slashes.
        name: the last part of the path, without a query.
    """

    def __init__(self, url: str) -> None:
        self.url = url if url.endswith("://") else url.rstrip("/")
        self.name = self._without_secrets().rpartition("/")[2]

    def _without_secrets(self) -> str:
        # Only HTTP has queries; in other protocols, `?` is an ordinary character.
        bare = self.url.partition("?")[0] if _WEB.search(self.url) else self.url
        return _USER.sub(r"\1", bare)

    @property
    def suffix(self) -> str:
        """The last suffix of the name, including its dot."""
        return PurePosixPath(self.name).suffix

    def absolute(self) -> "StoreURL":
        """Returns the URL unchanged, because it does not depend on the working directory."""
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
    """Converts a path or URL to a `Path` or a `StoreURL`. A `file://` URL becomes a `Path`."""
    if isinstance(path, StoreURL):
        return path
    text = os.fspath(path)
    for start in _LOCAL:
        if text.startswith(start):
            return Path(text.removeprefix(start))
    return StoreURL(text) if _URL.match(text) else Path(path)


def shown_place(path: str | os.PathLike[str]) -> str:
    """Returns a path or URL as text for output and records, without secrets in a URL."""
    place = locate(path)
    return str(place) if isinstance(place, StoreURL) else os.fspath(path)


def absolute_text(place: Place) -> str:
    """Returns a path or URL as text that does not depend on the working directory."""
    return place.url if isinstance(place, StoreURL) else os.path.abspath(place)


def collapsed_url(place: Place) -> str:
    """Returns a hint for an error message if `pathlib` has removed a slash from a URL, otherwise ""."""
    found = None if isinstance(place, StoreURL) else _COLLAPSED.search(str(place))
    return f"; pass a URL as a string ({found[1]}://...), because pathlib drops a slash" if found else ""


def local_beside(out: str | os.PathLike[str], ending: str = "") -> Path:
    """Returns the local path of a file that belongs to an output, such as a checkpoint, lock or result.

    The path is the output's path followed by `ending`. If the output is a URL, the file is in the working
    directory, and its name contains a hash of the URL.
    """
    place = locate(out)
    if isinstance(place, Path):
        return place.with_name(place.name + ending) if ending else place
    import hashlib

    return Path(f"{place.name}.{hashlib.sha256(str(place).encode()).hexdigest()[:_DIGITS]}{ending}")
