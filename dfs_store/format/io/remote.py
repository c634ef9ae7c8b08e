"""Reads objects and ranges of bytes from a server through fsspec, many at once.

This is the only module that reads with fsspec. It converts errors to those of dfs-store. A forked process
connects again, since neither sockets nor event loops survive a fork.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from dfs_store.errors import (
    DamagedStoreError,
    DFSError,
    MissingDependencyError,
    SettingsError,
    StoreNotFoundError,
    StoreUnreachableError,
)
from dfs_store.format.io.files import Bytes
from dfs_store.format.io.place import StoreURL
from dfs_store.format.io.remote_errors import (
    ABSENT,
    CREDENTIALS,
    NO_RANGE,
    REFUSED,
    is_empty,
    is_refusal,
    said,
    says_more,
)
from dfs_store.format.io.remote_http import PARTIAL, WHOLE, Answer, Range, ask

__all__ = ["Remote", "Want"]

Piece = tuple[str, int, int | None]  # name of an object, start and stop; without stop, its last -start bytes

# Reading a gap of this size costs less than another request.
_MERGED_GAP_BYTES = 64 * 2**10
# Largest request, so that a long range uses several connections.
_REQUEST_BYTES = 16 * 2**20
_MARKS = ("ETag", "LastModified", "mtime", "created")
_PROBE_BYTES = 8
_SMALL_BYTES = 64 * 2**20  # of all objects of a web server that does not support ranges


class Want(NamedTuple):
    """Bytes start..stop of an object. `name` is relative to the URL, "" for the URL itself."""

    name: str
    start: int
    stop: int


class Remote:
    """The server of a store's URL. Safe for threads, and in a forked process.

    Args:
        place: the URL.

    Raises:
        MissingDependencyError: a library for the protocol is not installed.
        SettingsError: fsspec does not know the protocol.
    """

    def __init__(self, place: StoreURL) -> None:
        self.place = place
        self._process = -1
        self._system: Any = None
        self._root = ""
        self._whole: dict[str, bytes] = {}  # objects of a web server that does not support ranges
        self.system  # noqa: B018 - connects, so that a missing library is reported immediately

    @property
    def system(self) -> Any:  # noqa: ANN401 - fsspec has no types
        """The file system of fsspec, created by this process."""
        if self._process != os.getpid():
            self._system, self._root = _connect(self.place)
            self._process = os.getpid()
        return self._system

    def path(self, name: str = "") -> str:
        """Returns fsspec's path of an object."""
        self.system  # noqa: B018 - as above
        return f"{self._root}/{name}" if name else self._root

    def where(self, name: str = "") -> str:
        """Returns the name of an object in error messages."""
        return f"{self.place}/{name}" if name else str(self.place)

    @property
    def lists(self) -> bool:
        """Whether the server can list objects; a plain web server cannot."""
        return not {"http", "https"} & set(_protocols(self.system))

    def about(self) -> dict[str, Any]:
        """Returns the size in bytes of the URL's object, and values that change when it is replaced.

        Takes one small request. A folder has size 0.

        Raises:
            StoreNotFoundError, StoreUnreachableError: the object does not exist, or the request failed.
        """
        if not self.lists:
            return self._probe()
        with self.asked():
            self.system.invalidate_cache()
            found = self.system.info(self.path())
        if found.get("type") == "directory":
            return {"size": 0, "folder": True}
        marks = {mark: str(found[mark]) for mark in _MARKS if mark in found}
        return {"size": self._known(found.get("size")), **marks}

    def _probe(self) -> dict[str, Any]:
        """Requests the first bytes from a plain web server, to find out whether it supports ranges."""
        (answer,) = self._ask_web([("", 0, _PROBE_BYTES)], 0)
        if answer is None:
            raise StoreNotFoundError(f"{self.where()}: there is no such store")
        size = self._known(answer.size_bytes)
        if answer.status == WHOLE and size > _SMALL_BYTES:
            raise self._no_ranges("", size)
        return {"size": size, **answer.marks}

    def _known(self, size: object) -> int:
        if not isinstance(size, int):
            raise StoreUnreachableError(
                f"{self.where()}: the server does not report its size; download the store"
            )
        return size

    def sizes(self, names: Sequence[str] | None = None) -> list[int]:
        """Returns the sizes of objects below the URL in bytes; of all objects if `names` is None."""
        with self.asked():
            self.system.invalidate_cache()
            if names is None:
                return [int(about["size"]) for about in self.system.find(self.path(), detail=True).values()]
            return [int(size) for size in self.system.sizes([self.path(name) for name in names])]

    def any_below(self, name: str) -> bool:
        """Returns whether any object exists below a name."""
        with self.asked(name):
            self.system.invalidate_cache()
            return bool(self.lists and self.system.find(self.path(name), maxdepth=2))

    def starts(self, limits: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """Returns the first bytes of objects, at most the given number of each; None for a missing object.

        All requests are sent at once.
        """
        return self._ask([(name, 0, limit) for name, limit in limits])

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last `count_bytes` of objects, or all of a shorter one; None for a missing object."""
        return self._ask([(name, -count_bytes, None) for name in names])

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of objects, read-only. Adjacent ranges are merged, and all requests sent at once.

        Raises:
            DamagedStoreError: an object is missing, or too short.
            StoreUnreachableError: the server does not answer.
        """
        order = sorted(range(len(wants)), key=lambda number: wants[number])
        blocks: list[Want] = []
        block_of = [0] * len(wants)
        for number in order:
            name, start, stop = wants[number]
            last = blocks[-1] if blocks else None
            if last is not None and last.name == name and start <= last.stop + _MERGED_GAP_BYTES:
                blocks[-1] = Want(name, last.start, max(last.stop, stop))
            else:
                blocks.append(wants[number])
            block_of[number] = len(blocks) - 1
        contents = self._blocks(blocks)
        return [
            contents[block][want.start - blocks[block].start : want.stop - blocks[block].start]
            for want, block in zip(wants, block_of, strict=True)
        ]

    def _blocks(self, blocks: Sequence[Want]) -> list[Bytes]:
        pieces = [
            [(name, at, min(at + _REQUEST_BYTES, stop)) for at in range(start, stop, _REQUEST_BYTES)]
            for name, start, stop in blocks
        ]
        answers = iter(self._ask([piece for each in pieces for piece in each]))
        return [self._joined([(piece, next(answers)) for piece in each]) for each in pieces]

    def _joined(self, parts: list[tuple[tuple[str, int, int], bytes | None]]) -> Bytes:
        for (name, start, stop), part in parts:
            if part is None:
                raise DamagedStoreError(f"{self.where(name)}: missing or unreadable (no such object)")
            if len(part) != stop - start:
                raise DamagedStoreError(
                    f"{self.where(name)}: ends after {start + len(part):,} bytes, before {stop:,}"
                )
        found = [part for _, part in parts if part is not None]
        return np.frombuffer(found[0] if len(found) == 1 else b"".join(found), dtype=np.uint8)

    def _ask(self, pieces: Sequence[Piece]) -> list[bytes | None]:
        if not self.lists:
            return self._ask_for_bodies(pieces)
        if not pieces:
            return []
        paths = [self.path(name) for name, _, _ in pieces]
        starts, stops = [start for _, start, _ in pieces], [stop for _, _, stop in pieces]
        with self.asked():
            answers = self.system.cat_ranges(paths, starts, stops, on_error="return")
        found: list[bytes | None] = []
        for (name, start, stop), answer in zip(pieces, answers, strict=True):
            if isinstance(answer, FileNotFoundError):
                found.append(None)
            elif isinstance(answer, BaseException):
                if not is_empty(answer):
                    raise self.error(answer, name) from answer
                found.append(b"")
            elif len(answer) > (-start if stop is None else stop - start):
                raise self._no_ranges(name, None)
            else:
                found.append(bytes(answer))
        return found

    def _ask_for_bodies(self, pieces: Sequence[Piece]) -> list[bytes | None]:
        """Requests ranges from a plain web server. Small objects that it only sends whole are cached."""
        kept = self._whole
        wanted = [piece for piece in pieces if piece[0] not in kept]
        answers = iter(self._ask_web(wanted, _SMALL_BYTES - sum(map(len, kept.values()))))
        found: list[bytes | None] = []
        for name, start, stop in pieces:
            answer = None if name in kept else next(answers)
            if answer is None:
                found.append(kept[name][start:stop] if name in kept else None)
                continue
            body, asked = answer.body, -start if stop is None else stop - start
            if body is not None and answer.status == WHOLE:
                if len(body) >= asked:
                    self._whole = {**self._whole, name: body}
                body = body[start:stop]
            if body is None or len(body) > asked:
                raise self._no_ranges(name, answer.size_bytes)
            found.append(body)
        return found

    def _ask_web(self, pieces: Sequence[Piece], most_bytes: int) -> list[Answer | None]:
        if not pieces:
            return []
        ranges = [Range(self.path(name), start, stop) for name, start, stop in pieces]
        with self.asked():
            answers = ask(self.system, ranges, most_bytes)
        found: list[Answer | None] = []
        for (name, _, _), answer in zip(pieces, answers, strict=True):
            if isinstance(answer, BaseException):
                raise self.error(answer, name) from answer
            if answer.status == NO_RANGE:
                answer = answer._replace(body=b"")
            elif answer.status not in (WHOLE, PARTIAL, *ABSENT):
                raise self._unreachable(
                    name, f"HTTP status {answer.status}", refused=answer.status in REFUSED
                )
            found.append(None if answer.status in ABSENT else answer)
        return found

    def _no_ranges(self, name: str, size_bytes: int | None) -> StoreUnreachableError:
        size = "" if size_bytes is None else f", and the file has {size_bytes:,} bytes"
        return StoreUnreachableError(
            f"{self.where(name)}: the server does not support ranges{size}; at most {_SMALL_BYTES:,} bytes "
            f"are downloaded unasked. Download the store, or have fsspec do so: simplecache::{self.place}"
        )

    @contextmanager
    def asked(self, name: str = "") -> Iterator[None]:
        """Converts errors of fsspec to errors of dfs-store."""
        try:
            yield
        except DFSError:
            raise
        except Exception as error:
            raise self.error(error, name) from error

    def error(self, error: BaseException, name: str = "") -> DFSError:
        """Converts an error that fsspec raised while reading to an error of dfs-store."""
        where = self.where(name)
        cause = error.__cause__
        if isinstance(error, FileNotFoundError) and cause is not None and says_more(cause):
            error = cause  # over HTTP, fsspec reports any failure as a missing file
        if isinstance(error, FileNotFoundError):
            return StoreNotFoundError(f"{where}: there is no such store")
        return self._unreachable(name, said(error, self.place), refused=is_refusal(error))

    def _unreachable(self, name: str, reason: str, *, refused: bool) -> StoreUnreachableError:
        if refused:
            return StoreUnreachableError(
                f"{self.where(name)}: the server refuses to show it ({reason}); {CREDENTIALS}"
            )
        return StoreUnreachableError(
            f"{self.where(name)}: cannot be read now ({reason}); see whether the server can be reached, and "
            "try again"
        )


def _protocols(system: Any) -> tuple[str, ...]:  # noqa: ANN401 - fsspec has no types
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


def _connect(place: StoreURL) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingDependencyError(
            f"{place}: a URL needs fsspec; install it with pip install 'dfs-store[remote]'"
        ) from error
    try:
        system, root = url_to_fs(place.url)
    except ImportError as error:
        wanted = "gcsfs" if place.url.startswith(("gs://", "gcs://")) else "'dfs-store[remote]'"
        raise MissingDependencyError(
            f"{place}: its protocol needs a library that is not installed ({error}); pip install {wanted}"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"{place}: cannot be opened ({error}); the URL of a store must begin with s3://, gs://, https:// "
            "or another protocol of fsspec"
        ) from error
    except Exception as error:
        raise StoreUnreachableError(
            f"{place}: cannot be connected to ({said(error, place)}); {CREDENTIALS}"
        ) from error
    return system, str(root).rstrip("/")
