"""Reads ranges of objects over plain HTTP, and detects whether the server supports ranges.

fsspec reads a whole response even if the server ignored the range, and reports any failure as a missing file.
This module therefore sends the requests itself, through fsspec's connections.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["PARTIAL", "WHOLE", "Answer", "Range", "ask"]

WHOLE, PARTIAL = 200, 206
_BUSY, _WAITS_SECONDS = (429, 500, 502, 503, 504), (0.5, 2.0)  # statuses to retry, after these waits
_SILENCE_SECONDS = 60.0  # fsspec would wait for five minutes
_AT_ONCE = 64  # requests; the time limit of a request starts before a connection is free
_MARKS = ("ETag", "Last-Modified")
_READ_BYTES = 2**20


class Range(NamedTuple):
    """Bytes start..stop of an object, or its last -start bytes if `stop` is None. `url` is fsspec's path."""

    url: str
    start: int
    stop: int | None


class Answer(NamedTuple):
    """A server's response.

    Attributes:
        status: HTTP status code.
        size_bytes: size of the whole object; None if unknown.
        marks: headers that change when the object is replaced.
        body: content of the range, or of the whole object; None if it was not read.
    """

    status: int
    size_bytes: int | None
    marks: dict[str, str]
    body: bytes | None


def ask(system: Any, ranges: Sequence[Range], most_bytes: int) -> list[Answer | BaseException]:  # noqa: ANN401
    """Requests several ranges at once.

    Args:
        system: the fsspec file system.
        ranges: the ranges to request.
        most_bytes: size in bytes of the largest object to read whole if the server does not support ranges.

    Returns:
        For each range, the answer (the last one, if the server stays busy) or the exception that aiohttp
        raised.
    """
    from fsspec.asyn import sync

    found: list[Answer | BaseException] = sync(system.loop, _ask_all, system, ranges, most_bytes)
    return found


async def _ask_all(
    system: Any,  # noqa: ANN401 - fsspec has no types
    ranges: Sequence[Range],
    most_bytes: int,
) -> list[Answer | BaseException]:
    session = await system.set_session()
    found: list[Answer | BaseException] = []
    for at in range(0, len(ranges), _AT_ONCE):
        requests = (_get(system, session, each, most_bytes) for each in ranges[at : at + _AT_ONCE])
        found += await asyncio.gather(*requests, return_exceptions=True)
    return found


async def _get(system: Any, session: Any, wanted: Range, most_bytes: int) -> Answer:  # noqa: ANN401
    import aiohttp

    lost = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError)
    for wait in _WAITS_SECONDS:
        try:
            answer = await _get_once(system, session, wanted, most_bytes)
        except lost as error:
            # With a wrong name, port or certificate, another attempt would fail as well.
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
        else:
            if answer.status not in _BUSY:
                return answer
        await asyncio.sleep(wait)
    return await _get_once(system, session, wanted, most_bytes)


async def _get_once(system: Any, session: Any, wanted: Range, most_bytes: int) -> Answer:  # noqa: ANN401
    import aiohttp

    url, start, stop = wanted
    span = f"bytes={start}" if stop is None else f"bytes={start}-{stop - 1}"
    headers = {**system.kwargs.get("headers", {}), "Range": span, "Accept-Encoding": "identity"}
    timeout = aiohttp.ClientTimeout(session.timeout.total, sock_connect=30, sock_read=_SILENCE_SECONDS)
    options = {"timeout": timeout, **system.kwargs, "headers": headers}
    async with session.get(system.encode_url(url), **options) as response:
        size = _size_bytes(response)
        body = None
        if response.status == PARTIAL:
            _check_range(response, start)
            body = await _read(response.content, 1 + (-start if stop is None else stop - start))
        elif response.status == WHOLE and size is not None and size <= most_bytes:
            body = await _read(response.content, size + 1)
        if body is None or not response.content.at_eof():
            response.close()  # otherwise the rest of the body would be received as well
        return Answer(response.status, size, {m: response.headers.get(m, "") for m in _MARKS}, body)


def _check_range(response: Any, start: int) -> None:  # noqa: ANN401
    """Raises OSError if the response starts at a different byte, since its values would be wrong."""
    answered = response.headers.get("Content-Range", "")
    if start >= 0 and not answered.startswith(f"bytes {start}-"):
        raise OSError(
            f"bytes from {start:,} were requested, but the server sent {answered or 'no Content-Range'}"
        )


async def _read(content: Any, limit_bytes: int) -> bytes:  # noqa: ANN401
    parts = []
    while limit_bytes > 0 and (part := await content.read(min(limit_bytes, _READ_BYTES))):
        parts.append(part)
        limit_bytes -= len(part)
    return b"".join(parts)


def _size_bytes(response: Any) -> int | None:  # noqa: ANN401
    """Returns the size of the whole object, from a header such as `bytes 0-7/1234` or `bytes */1234`."""
    text = response.headers.get("Content-Range", "").rpartition("/")[2]
    if response.status == WHOLE:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None
