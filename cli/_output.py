"""The only file that prints: documents, results, notes, errors and progress."""

import contextlib
import itertools
import json as json_module
import math
import os
import shlex
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from dfs_store.byte_sizes import mebibytes, size_text
from dfs_store.errors import DFSError, DiskFullError, OutputNotWritableError
from dfs_store.names import COMMANDS, duration_text, printable, without_secrets

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = [
    "Progress",
    "command_text",
    "complain",
    "discard_output",
    "document",
    "duration_text",
    "echo",
    "in_line",
    "json_text",
    "mebibytes",
    "note",
    "size_text",
    "sparkline",
    "stdout_errors",
    "table",
]

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BEFORE_LAST_LINE = 5.0  # shorter work gets no final line


def echo(text: str) -> None:
    """Prints a result to stdout.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        DiskFullError, OutputNotWritableError: stdout is a file that cannot be written.
    """
    with stdout_errors():
        print(_shown(text, sys.stdout), flush=True)


def _shown(text: str, stream: TextIO) -> str:
    """Escapes control characters, and characters that the stream cannot encode."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def in_line(text: object) -> str:
    """Escapes newlines and tabs, so that text from a file cannot start a line of output."""
    return str(text).replace("\n", "\\n").replace("\t", "\\t")


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """Converts system errors on stdout to library errors, unless the pipe was closed."""
    try:
        yield
    except (BrokenPipeError, DFSError):
        raise
    except OSError as error:
        discard_output()
        kind = DiskFullError if error.errno in DiskFullError.NUMBERS else OutputNotWritableError
        raise kind(
            f"cannot print the result to standard output: {error.strerror}; files that the command has "
            "already written are complete"
        ) from error


def discard_output() -> None:
    """Discards all further output on stdout, including the flush when the process exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def note(text: str) -> None:
    """Prints a status message to stderr. If that fails, the command continues."""
    with contextlib.suppress(OSError):
        print(_shown(text, sys.stderr), file=sys.stderr, flush=True)


def command_text(*words: object) -> str:
    """Returns the words as a quoted shell command."""
    return shlex.join(map(str, words))


def complain(error: BaseException, *, bug: bool = False) -> None:
    """Prints an error to stderr as one message, without a traceback."""
    if bug:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" at {last[0].filename}:{last[0].lineno}" if last else ""
        note(
            f"dfs: a bug in dfs-store: {type(error).__name__}: {without_secrets(str(error))}{where}\n"
            "  Run the command again with DFS_DEBUG=1, and report the command and its traceback."
        )
        return
    words = {"KeyboardInterrupt": "interrupted (Ctrl-C)", "TerminatedError": "terminated (SIGTERM)"}
    kind = type(error).__name__
    note(f"dfs: {without_secrets(str(error)) or words.get(kind, kind)}")


def document(schema: str, content: dict[str, Any]) -> None:
    """Prints a JSON document to stdout; see `json_text`."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    echo(json_text(schema, content, ascii_only=not encoding.startswith("utf")))


def json_text(schema: str, content: dict[str, Any], *, ascii_only: bool = False) -> str:
    """Returns a JSON document whose first key is `schema`. NaN and infinity become null."""
    content = _finite({"schema": schema, **content})
    text = json_module.dumps(content, indent=2, ensure_ascii=ascii_only, default=_plain, allow_nan=False)
    return text.translate(_JSON_ESCAPES)


# Characters that could control a terminal, and surrogates, which UTF-8 cannot encode. Parsers unescape them.
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*COMMANDS, *range(0xD800, 0xE000))}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Replaces NaN and infinity, which JSON cannot express, with None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:  # noqa: ANN401 - any type that json does not support
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return value.tolist()
    return str(value)


def table(rows: list[tuple[str, ...]], *, indent: str = "") -> str:
    """Formats rows as aligned columns, two spaces apart."""
    if not rows:
        return ""
    rows = [tuple(in_line(printable(cell)) for cell in row) for row in rows]  # before they are measured
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)


def sparkline(values: list[float], width: int = 24) -> str:
    """Draws values as a line of at most `width` block characters, by averaging neighbours."""
    blocks = "▁▂▃▄▅▆▇█"
    parts = min(width, len(values))
    if parts < 2:
        return ""
    bounds = [round(part * len(values) / parts) for part in range(parts + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(bounds)]
    low, high = min(means), max(means)
    if not 0 < high - low < math.inf:
        return ""
    return "".join(blocks[round((mean - low) / (high - low) * (len(blocks) - 1))] for mean in means)


class Progress:
    """Shows progress on stderr: a bar on a terminal, otherwise one line per minute, or nothing if quiet.

    Use this class as a context manager. `update` is cheap, so it can be called often.
    """

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self._label = label
        self._quiet = quiet
        self._bar: RichProgress | None = None
        self._started = time.monotonic()
        self._opened = self._started
        self._first_done: int | None = None
        self._next_line = self._started
        self._last: tuple[int, int, str] | None = None

    def __enter__(self) -> "Progress":
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn

            from .shown.bar import TwoLineProgress

            self._bar = TwoLineProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=36),
                MofNCompleteColumn(),
                TaskProgressColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._bar.add_task(self._label, total=None, details="")
        return self

    def update(self, done: int, total: int, details: str = "", *, label: str | None = None) -> None:
        """Shows that `done` of `total` items are finished, and estimates the remaining time."""
        if self._quiet:
            return
        if label is not None and label != self._label:
            self._label, self._first_done = label, None
        details = in_line(printable(details))
        now = time.monotonic()
        if self._first_done is None or done < self._first_done:
            self._first_done, self._started = done, now
        pace = (done - self._first_done) / (now - self._started) if now > self._started else 0.0
        if pace > 0 and done < total:
            # The time left comes first, because long lines are truncated.
            details = f"{duration_text((total - done) / pace)} left  {details}".strip()
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=done, total=total, details=details, description=self._label)
        elif now >= self._next_line:
            self._next_line = now + SECONDS_BETWEEN_LINES
            self._line(done, total, details)
            self._last = None
            return
        self._last = (done, total, details)

    @property
    def is_live(self) -> bool:
        """Whether a bar is shown on a terminal."""
        return self._bar is not None

    def message(self, text: str) -> None:
        """Prints a message to stderr above the bar."""
        if self._bar is not None:
            self._bar.console.print(_shown(text, sys.stderr), markup=False, highlight=False)
        else:
            note(text)

    def result(self, text: str) -> None:
        """Prints a result to stdout above the bar."""
        if self._bar is not None and sys.stdout.isatty():
            self._bar.console.print(_shown(text, sys.stderr), markup=False, highlight=False)
        else:
            echo(text)

    def _line(self, done: int, total: int, details: str) -> None:
        note(f"{self._label}: {done:,}/{total:,}  {details}".rstrip())

    def __exit__(self, *_exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._last is not None and time.monotonic() - self._opened > SECONDS_BEFORE_LAST_LINE:
            self._line(*self._last)


def encoding_text(name: str | None, about: object) -> str:
    """Describes the encoding of key frames, with the quality and loss recorded in the store."""
    found = about if isinstance(about, dict) else {}
    parts = [f"encoded as {name}"]
    if found.get("quality") is not None:
        quality = found["quality"]
        parts.append(f"quality {'-'.join(map(str, quality)) if isinstance(quality, list) else quality}")
    if isinstance(found.get("psnr"), int | float):
        parts.append(f"key frames {found['psnr']:.1f} dB (PSNR, which is not accuracy)")
    if isinstance(found.get("clipped_share"), int | float):
        parts.append(f"{100 * found['clipped_share']:.2g} % of the values clipped")
    return ", ".join(parts)
