"""Logs the events of a run as JSON, one per line, in a file next to the store."""

import contextlib
import dataclasses
import datetime
import json
import os
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from dfs_store.condense.events import CheckpointSaved, Event, RunStarted, StepDone, StoreWritten
from dfs_store.format.io.durable import write_all, write_durably
from dfs_store.format.io.place import local_beside
from dfs_store.format.io.reading import parse_json, read_found, read_named

__all__ = ["EventLog", "event_log_path", "events_before", "read_events"]

_MOST_BYTES = 2**31  # a step takes about 300 bytes


def event_log_path(out: str | os.PathLike[str]) -> Path:
    """Returns the path of a run's log: next to its output, or in the working folder for a URL."""
    return local_beside(out, ".events.jsonl")


class EventLog:
    """Logs every event of a run. It is a context manager whose `on_event` is passed to `condense`.

    Each line contains `event` (run_started, step_done ...), `time` (UTC), `elapsed_seconds` since this
    process started or resumed the run, and the fields of the event. A new run replaces the log at its first
    step, or when its store is written if it has no steps, so a run that fails earlier leaves the old log
    unchanged. A run resumed at step s keeps the lines of the steps before s, so that the log contains every
    step once. If the log cannot be written, one warning is issued and the run continues.

    Args:
        path: path of the log, see `event_log_path`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None
        self._started = time.monotonic()
        self._first_step = 0
        self._held: list[dict[str, Any]] | None = None  # lines before the first step

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._close()

    def on_event(self, event: Event) -> None:
        """Appends an event in a single write; for a checkpoint, also flushes all lines to disk."""
        try:
            if isinstance(event, RunStarted):
                self._started, self._first_step, self._held = time.monotonic(), event.step, []
            line = self._line(event)
            if self._held is not None and isinstance(event, StepDone | CheckpointSaved | StoreWritten):
                self._begin(self._held)
            if self._held is not None:
                self._held.append(line)
            elif self._descriptor is not None:
                write_all(self._descriptor, _text([line]))
                if isinstance(event, CheckpointSaved):
                    os.fsync(self._descriptor)
        except OSError as error:
            self._close()
            self._held = None
            warnings.warn(
                f"the log of the run cannot be written to {self.path} ({error.strerror}); continuing without "
                "it",
                stacklevel=2,
            )

    def _begin(self, held: list[dict[str, Any]]) -> None:
        self._close()
        write_durably(self.path, _text([*events_before(self.path, self._first_step), *held]))
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._held = None

    def _close(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _line(self, event: Event) -> dict[str, Any]:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        fields = {key: value for key, value in dataclasses.asdict(event).items() if value != {}}
        return {
            "event": name,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "elapsed_seconds": round(time.monotonic() - self._started, 3),
            **fields,
        }


def read_events(path: str | os.PathLike[str], *, named: bool = False) -> list[dict[str, Any]]:
    """Reads a log, skipping lines that are not events or were truncated when a process was killed.

    Args:
        path: path of the log.
        named: whether the user specified the path, which may then be a pipe.

    Raises:
        OSError: the file cannot be read.
    """
    read = read_named if named else read_found
    return list(_parsed(read(path, _MOST_BYTES).decode("utf-8", "replace")))


def events_before(path: str | os.PathLike[str], first_step: int) -> list[dict[str, Any]]:
    """Returns the lines of a log that belong to steps before `first_step`, or no lines if there is no log.

    Raises:
        OSError: the file cannot be read.
    """
    if not first_step or not Path(path).exists():
        return []
    return [line for line in read_events(path) if _step_of(line) < first_step]


def _text(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            found = parse_json(line)
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("event"), str):
            yield found


def _step_of(line: dict[str, Any]) -> int:
    """Returns the step of a line; checkpoints and starts record the following step."""
    step = line.get("step")
    if not isinstance(step, int):
        return 0
    return step - 1 if line["event"] in ("checkpoint_saved", "run_started") else step
