"""Progress of decoding, as events."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "PrepareProgress", "Reporter"]

_PROGRESS_SECONDS = 0.1


@dataclass(frozen=True)
class PrepareProgress:
    """How far `prepare` is.

    Attributes:
        done: files dealt with, those of earlier runs and those that failed included.
        total: files in all.
        failed: files without a clip.
        clips_per_second: of this run.
        elapsed_seconds: of this run.
        waiting: whether another process prepares the same clips and this one waits for it.
    """

    done: int
    total: int
    failed: int
    clips_per_second: float
    elapsed_seconds: float
    waiting: bool = False


OnProgress = Callable[[PrepareProgress], None]


class Reporter:
    """Turns results into progress events, ten a second at most."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self.done = 0
        self.failed = 0
        self._decoded = 0
        self._total = total
        self._on_progress = on_progress
        self._start = time.monotonic()
        self._last = 0.0

    def resumed(self, done: int, failed: int) -> None:
        """Starts from what earlier runs have done."""
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
        """Sends an event."""
        self._last = time.monotonic()
        if self._on_progress is not None:
            elapsed = self._last - self._start
            rate = self._decoded / elapsed if elapsed > 0 else 0.0
            self._on_progress(
                PrepareProgress(self.done, self._total, self.failed, rate, elapsed, waiting=waiting)
            )
