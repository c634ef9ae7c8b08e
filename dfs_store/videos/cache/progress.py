"""Reports the progress of decoding."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "PrepareProgress", "Reporter"]

_PROGRESS_SECONDS = 0.1


@dataclass(frozen=True)
class PrepareProgress:
    """Progress of `prepare`.

    Attributes:
        done: number of files processed, including files from earlier runs and files that failed.
        total: number of files.
        failed: number of files that could not be decoded.
        clips_per_second: number of clips that this run has decoded per second.
        elapsed_seconds: time since the start of this run.
        waiting: whether this process is waiting for another process that is preparing the same clips.
    """

    done: int
    total: int
    failed: int
    clips_per_second: float
    elapsed_seconds: float
    waiting: bool = False


OnProgress = Callable[[PrepareProgress], None]


class Reporter:
    """Counts results and emits at most ten progress events per second."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self.done = 0
        self.failed = 0
        self._decoded = 0
        self._total = total
        self._on_progress = on_progress
        self._start = time.monotonic()
        self._last = 0.0

    def resumed(self, done: int, failed: int) -> None:
        """Counts the files that earlier runs have processed."""
        self.done, self.failed = done, failed
        self.report()

    def add(self, failed: bool) -> None:
        """Counts one file."""
        self.done += 1
        self.failed += failed
        self._decoded += 1
        if time.monotonic() - self._last >= _PROGRESS_SECONDS:
            self.report()

    def waiting(self) -> None:
        """Reports that another process is preparing these clips."""
        self.report(waiting=True)

    def report(self, *, waiting: bool = False) -> None:
        """Emits a progress event."""
        self._last = time.monotonic()
        if self._on_progress is not None:
            elapsed = self._last - self._start
            rate = self._decoded / elapsed if elapsed > 0 else 0.0
            self._on_progress(
                PrepareProgress(self.done, self._total, self.failed, rate, elapsed, waiting=waiting)
            )
