"""Reads small files, and the JSON in them, safely even if their content is malicious.

Files that the user did not name (results beside a store, entries of a cache, checkpoints) must be regular
files, because opening a pipe would block. Files that the user named may be pipes, such as `--config <(...)`,
but reading them has a time limit. All files have a size limit.
"""

import errno
import io
import json
import os
import re
import select
import stat
import time
from typing import Any, BinaryIO

__all__ = ["MOST_RESULT_BYTES", "open_found", "parse_json", "read_found", "read_json", "read_named"]

MOST_RESULT_BYTES = 64 * 2**20  # size limit for results of `dfs evaluate` and of comparisons
_SECONDS = 30.0
_PIECE_BYTES = 2**20
_DIGITS = 40  # limit for whole numbers; no setting or count needs more
_OPEN = re.compile(r"/dev/(stdin|fd/(\d+))|/proc/self/fd/(\d+)")


def open_found(
    path: str | os.PathLike[str], most_bytes: int | None = None, *, follow: bool = True
) -> BinaryIO:
    """Opens, for reading, a file that the user did not name. The caller must close it.

    The checks apply to the opened file, because the file at the path may have been replaced since.

    Args:
        path: path of the file.
        most_bytes: size limit; no limit if None.
        follow: whether to follow a symbolic link.

    Raises:
        OSError: the file does not exist, is not a regular file, or has more than `most_bytes`.
    """
    # O_NONBLOCK, so that opening a pipe does not wait for a process that writes to it.
    links = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links)
    try:
        _check(os.fstat(descriptor), path, most_bytes, regular=True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_found(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """Returns the content of a file that the user did not name. Raises the same errors as `open_found`."""
    with open_found(path, most_bytes) as file:
        return file.read(most_bytes)  # the file may grow in the meantime


def read_named(path: str | os.PathLike[str], most_bytes: int, seconds: float = _SECONDS) -> bytes:
    """Returns the content of a file that the user named, which may be a pipe.

    Args:
        path: path of the file, pipe or device.
        most_bytes: size limit in bytes.
        seconds: time limit for reading from a pipe, in seconds.

    Raises:
        OSError: the path does not exist, is a folder, exceeds the size limit, or takes too long to read.
    """
    already = _OPEN.fullmatch(os.fspath(path))
    if already:  # opening a pipe again would block if its writer has ended
        descriptor = os.dup(int(already[2] or already[3] or 0))
    else:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        _check(found, path, most_bytes, regular=False)
        parts, size, end = [], 0, time.monotonic() + seconds
        while part := _next(file, end, path, waits=not stat.S_ISREG(found.st_mode)):
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                raise _too_large(path, most_bytes)
        return b"".join(parts)


def _next(file: io.FileIO, end: float, path: str | os.PathLike[str], *, waits: bool) -> bytes:
    while True:
        if waits and not select.select([file], [], [], max(0.0, end - time.monotonic()))[0]:
            raise OSError(errno.ETIMEDOUT, "reading it took too long", os.fspath(path))
        part = file.read(_PIECE_BYTES)
        if part is not None:
            return part


def _check(
    found: os.stat_result, path: str | os.PathLike[str], most_bytes: int | None, *, regular: bool
) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if regular and not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
    if most_bytes is not None and found.st_size > most_bytes:
        raise _too_large(path, most_bytes)


def _too_large(path: str | os.PathLike[str], most_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", os.fspath(path))


def read_json(
    path: str | os.PathLike[str], most_bytes: int, *, named: bool = False, any_text: bool = False
) -> Any:  # noqa: ANN401 - any JSON
    """Reads a JSON file.

    Args:
        path: path of the file.
        most_bytes: size limit in bytes.
        named: whether the user named the file, which may then be a pipe.
        any_text: see `parse_json`.

    Raises:
        OSError: the file cannot be read, see `open_found` and `read_named`.
        ValueError: the content is not valid JSON, see `parse_json`.
    """
    data = read_named(path, most_bytes) if named else read_found(path, most_bytes)
    return parse_json(data, any_text=any_text)


def parse_json(text: str | bytes, *, any_text: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Parses JSON strictly: it must be UTF-8, and contain only finite numbers and valid Unicode.

    Args:
        text: the JSON.
        any_text: whether to allow lone surrogates, which represent file names that are not UTF-8.

    Raises:
        ValueError: the text is not valid JSON, is nested too deeply, or contains a number or string that is
            not allowed. Whole numbers may have at most 40 digits.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        found = json.loads(text, parse_constant=_refused, parse_float=_finite, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    # json.loads has replaced pairs of surrogates, so any that remain are alone.
    if not any_text and "\\u" in text and _has_surrogates(found):
        raise ValueError("a string in the JSON contains a lone surrogate")
    return found


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if value - value != 0:
        raise ValueError(f"{digits[:_DIGITS]} is too large for a 64-bit float")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(
            f"{digits[:_DIGITS]}... has {len(digits):,} digits, but at most {_DIGITS} are allowed"
        )
    return int(digits)


def _has_surrogates(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
