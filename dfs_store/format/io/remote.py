"""Reads objects and ranges of bytes from a server through fsspec, many at once.

fsspec's errors are converted to dfs-store errors. A forked process reconnects, because neither sockets nor
event loops survive a fork.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from dfs_store.errors import (
    DFSError,
    MissingDependencyError,
    SettingsError,
    StoreNotFoundError,
    StoreUnreachableError,
)
from dfs_store.format.io.files import Bytes, missing, too_short
from dfs_store.format.io.place import StoreURL
from dfs_store.format.io.remote_errors import (
    ABSENT,
    CREDENTIALS,
    NO_RANGE,
    REFUSED,
    error_text,
    is_empty,
    is_refusal,
    seems_missing,
)
from dfs_store.format.io.remote_http import PARTIAL, WHOLE, Answer, Range, ask

__all__ = ["Remote", "Want"]

# Name of an object, start and stop in bytes. If stop is None, the piece is the last -start bytes.
Piece = tuple[str, int, int | None]

# Reading a gap of up to this size takes less time than another request.
_MERGED_GAP_BYTES = 64 * 2**10
# Size of the largest request. Longer ranges are split, so that they use several connections.
_REQUEST_BYTES = 16 * 2**20
_MARKS = ("ETag", "LastModified", "mtime", "created")
_PROBE_BYTES = 8
_SMALL_BYTES = 64 * 2**20  # total size limit of objects from a web server that does not support ranges


class Want(NamedTuple):
    """Bytes start..stop of an object. `name` is relative to the URL, "" for the URL itself."""

    name: str
    start: int
    stop: int


class Remote:
    """Reads from the server of a store's URL. Thread-safe, and safe to use after a fork.

    Raises:
        MissingDependencyError: a library for the protocol is not installed.
        SettingsError: fsspec does not know the protocol.
    """

    def __init__(self, place: StoreURL) -> None:
        self.place = place
        self._process = os.getpid()
        self._system, self._root = _connect(place)
        self._whole: dict[str, bytes] = {}  # objects from a web server that does not support ranges

    @property
    def system(self) -> Any:  # noqa: ANN401 - fsspec has no types
        """The fsspec file system, created by this process."""
        if self._process != os.getpid():
            self._system, _ = _connect(self.place)
            self._process = os.getpid()
        return self._system

    def path(self, name: str = "") -> str:
        """Returns the path of an object in fsspec."""
        return f"{self._root}/{name}" if name else self._root

    def where(self, name: str = "") -> str:
        """Returns the URL of an object, for error messages."""
        return f"{self.place}/{name}" if name else str(self.place)

    @property
    def lists(self) -> bool:
        """Whether the server can list objects; a plain web server cannot."""
        return not {"http", "https"} & set(_protocols(self.system))

    def about(self) -> dict[str, Any]:
        """Returns the size in bytes of the object at the URL, and values that change when it is replaced.

        Sends one small request. The size of a folder is 0.

        Raises:
            StoreNotFoundError, StoreUnreachableError: the object does not exist, or the request failed.
        """
        if not self.lists:
            return self._probe()
        with self.errors_converted():
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
                f"{self.where()}: the server does not report the file's size, so the file cannot be read in "
                "parts; download the store"
            )
        return size

    def sizes(self, names: Sequence[str] | None = None) -> list[int]:
        """Returns the sizes in bytes of the named objects below the URL, or of all if `names` is None."""
        with self.errors_converted():
            self.system.invalidate_cache()
            if names is None:
                return [int(about["size"]) for about in self.system.find(self.path(), detail=True).values()]
            return [int(size) for size in self.system.sizes([self.path(name) for name in names])]

    def any_below(self, name: str) -> bool:
        """Returns whether any object exists below a name. False if the server cannot list objects."""
        with self.errors_converted(name):
            self.system.invalidate_cache()
            return bool(self.lists and self.system.find(self.path(name), maxdepth=2))

    def starts(self, limits: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """Returns the start of each object, up to a number of bytes, or None if the object is missing.

        All requests are sent at once.
        """
        return self._ask([(name, 0, limit) for name, limit in limits])

    def tails(self, names: Sequence[str], count_bytes: int) -> list[bytes | None]:
        """Returns the last `count_bytes` of each object, or None if the object is missing."""
        return self._ask([(name, -count_bytes, None) for name in names])

    def gather(self, wants: Sequence[Want]) -> list[Bytes]:
        """Returns ranges of objects, read-only. Merges adjacent ranges, and sends all requests at once.

        Raises:
            DamagedStoreError: an object is missing, or too short.
            StoreUnreachableError: the server does not respond.
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
                raise missing(self.where(name))
            if len(part) != stop - start:
                raise too_short(self.where(name), start + len(part), stop)
        found = [part for _, part in parts if part is not None]
        return np.frombuffer(found[0] if len(found) == 1 else b"".join(found), dtype=np.uint8)

    def _ask(self, pieces: Sequence[Piece]) -> list[bytes | None]:
        if not self.lists:
            return self._ask_for_bodies(pieces)
        if not pieces:
            return []
        paths = [self.path(name) for name, _, _ in pieces]
        starts, stops = [start for _, start, _ in pieces], [stop for _, _, stop in pieces]
        with self.errors_converted():
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
        """Requests ranges from a plain web server. Caches small objects that it sends only as a whole."""
        kept = self._whole
        wanted = [piece for piece in pieces if piece[0] not in kept]
        answers = iter(self._ask_web(wanted, _SMALL_BYTES - sum(map(len, kept.values()))))
        found: list[bytes | None] = []
        for name, start, stop in pieces:
            answer = None if name in kept else next(answers)
            if answer is None:
                found.append(kept[name][start:stop] if name in kept else None)
                continue
            body, size = answer.body, -start if stop is None else stop - start
            if body is not None and answer.status == WHOLE:
                if len(body) >= size:
                    self._whole = {**self._whole, name: body}
                body = body[start:stop]
            if body is None or len(body) > size:
                raise self._no_ranges(name, answer.size_bytes)
            found.append(body)
        return found

    def _ask_web(self, pieces: Sequence[Piece], most_bytes: int) -> list[Answer | None]:
        if not pieces:
            return []
        ranges = [Range(self.path(name), start, stop) for name, start, stop in pieces]
        with self.errors_converted():
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
            f"{self.where(name)}: the server does not support range requests{size}; only files of at most "
            f"{_SMALL_BYTES:,} bytes are downloaded whole. Download the store, or let fsspec do it: "
            f"simplecache::{self.place}"
        )

    @contextmanager
    def errors_converted(self, name: str = "") -> Iterator[None]:
        """Converts fsspec's errors to dfs-store errors."""
        try:
            yield
        except DFSError:
            raise
        except Exception as error:
            raise self.error(error, name) from error

    def error(self, error: BaseException, name: str = "") -> DFSError:
        """Converts an error that fsspec raised during a read to a dfs-store error."""
        where = self.where(name)
        cause = error.__cause__
        if isinstance(error, FileNotFoundError) and cause is not None and seems_missing(cause):
            error = cause  # over HTTP, fsspec reports any failure as a missing file
        if isinstance(error, FileNotFoundError):
            return StoreNotFoundError(f"{where}: there is no such store")
        return self._unreachable(name, error_text(error, self.place), refused=is_refusal(error))

    def _unreachable(self, name: str, reason: str, *, refused: bool) -> StoreUnreachableError:
        if refused:
            return StoreUnreachableError(
                f"{self.where(name)}: the server denies access ({reason}); {CREDENTIALS}"
            )
        return StoreUnreachableError(
            f"{self.where(name)} could not be read ({reason}); check that the server can be reached, and "
            "try again"
        )


def _protocols(system: Any) -> tuple[str, ...]:  # noqa: ANN401 - fsspec has no types
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


def _connect(place: StoreURL) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingDependencyError(
            f"{place}: a URL requires fsspec; install it with: pip install 'dfs-store[remote]'"
        ) from error
    try:
        system, root = url_to_fs(place.url)
    except ImportError as error:
        wanted = "gcsfs" if place.url.startswith(("gs://", "gcs://")) else "'dfs-store[remote]'"
        raise MissingDependencyError(
            f"{place}: its protocol requires a library that is not installed ({error}); install it with: "
            f"pip install {wanted}"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"{place} cannot be opened ({error}); the URL of a store must begin with s3://, gs://, https:// "
            "or another protocol that fsspec supports"
        ) from error
    except Exception as error:
        raise StoreUnreachableError(
            f"{place}: the connection failed ({error_text(error, place)}); {CREDENTIALS}"
        ) from error
    return system, str(root).rstrip("/")
