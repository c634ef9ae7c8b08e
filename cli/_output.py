"""The one file that prints: documents, texts, notes, errors, progress."""

import contextlib
import itertools
import json as json_module
import os
import shlex
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from dfs_store.byte_sizes import mebibytes, size_text
from dfs_store.errors import DFSError, DiskFullError, OutputNotWritableError
from dfs_store.names import COMMANDS, printable, without_secrets

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
SECONDS_BEFORE_LAST_LINE = 5.0  # what took less is not worth a line of its own


def echo(text: str) -> None:
    """Prints a result to stdout.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        DiskFullError, OutputNotWritableError: stdout is a file that cannot take it.
    """
    with stdout_errors():
        print(_shown(text, sys.stdout), flush=True)


def _shown(text: str, stream: TextIO) -> str:
    """Returns text as a stream can show it: without commands to the terminal, in its own letters."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def in_line(text: object) -> str:
    """Returns text from a file as it may stand inside a line of ours: it cannot begin one of its own."""
    return str(text).replace("\n", "\\n").replace("\t", "\\t")


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """Turns what the system says of stdout into an error of the library; a closed pipe stays what it is."""
    try:
        yield
    except (BrokenPipeError, DFSError):
        raise
    except OSError as error:
        discard_output()
        kind = DiskFullError if error.errno in DiskFullError.NUMBERS else OutputNotWritableError
        raise kind(
            f"the result cannot be printed: {error.strerror} on standard output; files that the command had "
            "finished are whole"
        ) from error


def discard_output() -> None:
    """Lets whatever is still to be printed on stdout, also at the end of the process, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def note(text: str) -> None:
    """Prints status to stderr; if it cannot be written there, the command continues without it."""
    with contextlib.suppress(OSError):
        print(_shown(text, sys.stderr), file=sys.stderr, flush=True)


def command_text(*words: object) -> str:
    """Returns a command line that a shell reads as these words."""
    return shlex.join(map(str, words))


def complain(error: BaseException, *, bug: bool = False) -> None:
    """Prints an error to stderr as one message, without a traceback."""
    if bug:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" at {last[0].filename}:{last[0].lineno}" if last else ""
        note(
            f"dfs: a bug in dfs-store: {type(error).__name__}: {without_secrets(str(error))}{where}\n"
            "  Run it again with DFS_DEBUG=1 for the traceback, and report it with the command you typed."
        )
        return
    words = {"KeyboardInterrupt": "interrupted (Ctrl-C)", "TerminatedError": "terminated (SIGTERM)"}
    kind = type(error).__name__
    note(f"dfs: {without_secrets(str(error)) or words.get(kind, kind)}")


def document(schema: str, content: dict[str, Any]) -> None:
    """Prints one JSON document on stdout, first key `schema`. Not-a-numbers become null."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    echo(json_text(schema, content, ascii_only=not encoding.startswith("utf")))


def json_text(schema: str, content: dict[str, Any], *, ascii_only: bool = False) -> str:
    """Returns a JSON document, first key `schema`. Not-a-numbers and infinities become null."""
    content = _finite({"schema": schema, **content})
    text = json_module.dumps(content, indent=2, ensure_ascii=ascii_only, default=_plain, allow_nan=False)
    return text.translate(_JSON_ESCAPES)  # as JSON escapes them: a program reads the letters themselves


# What a terminal must not get, and halves of letters, which no file in UTF-8 can hold.
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*COMMANDS, *range(0xD800, 0xE000))}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON has no word for what is not a finite number: null stands for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever json does not know
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return value.tolist()
    return str(value)


def table(rows: list[tuple[str, ...]], *, indent: str = "") -> str:
    """Aligns rows of text into columns, two spaces apart."""
    if not rows:
        return ""
    rows = [tuple(map(in_line, row)) for row in rows]
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)


def duration_text(seconds: float) -> str:
    """Writes seconds as 1:02:03, 4:05 or 12 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def sparkline(values: list[float], width: int = 24) -> str:
    """Draws values as a line of blocks, averaged into at most `width` of them."""
    blocks = "▁▂▃▄▅▆▇█"
    parts = min(width, len(values))
    if parts < 2:
        return ""
    bounds = [round(part * len(values) / parts) for part in range(parts + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(bounds)]
    low, high = min(means), max(means)
    if high - low <= 0 or high - high != 0:
        return ""
    return "".join(blocks[round((mean - low) / (high - low) * (len(blocks) - 1))] for mean in means)


class Progress:
    """Progress on stderr: a bar on a terminal, one line a minute elsewhere, nothing when quiet.

    Use as a context manager and call `update` as often as you like.
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
        """Shows that `done` of `total` are finished; the time left is reckoned from the pace so far."""
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
            details = (
                f"{duration_text((total - done) / pace)} left  {details}".strip()
            )  # first: lines are cut
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
        """Whether there is a bar on a terminal."""
        return self._bar is not None

    def message(self, text: str) -> None:
        """Prints talk to stderr without tearing the bar."""
        if self._bar is not None:
            self._bar.console.print(_shown(text, sys.stderr), markup=False, highlight=False)
        else:
            note(text)

    def result(self, text: str) -> None:
        """Prints a result to stdout without tearing the bar."""
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
    """Returns how key frames are encoded, and what the store says of its loss."""
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
