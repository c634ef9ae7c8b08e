"""Shows the progress and result of each cell of a comparison."""

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

from .. import _output
from .._exit_codes import TerminatedError

if TYPE_CHECKING:
    from dfs_store.evaluate.comparison.cells import Progress as Inner
    from dfs_store.evaluate.comparison.run import CellEnded, Event

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_AGAIN = "stopped; repeat the same command to continue"


class CompareProgress:
    """Progress of a comparison, and the signals that stop it.

    On Ctrl-C, SIGTERM or SIGUSR1 while a cell takes steps, the step is finished and a checkpoint saved. On a
    second signal, or at any other time, the comparison stops at once. The same command continues it.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = _output.Progress("compare", quiet=quiet)
        self._stop: int | None = None
        self._in_steps = False
        self._where = ""

    def __enter__(self) -> "CompareProgress":
        self._old = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        self._bar.__enter__()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.__exit__()
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def on_event(self, event: "Event") -> None:
        """Shows an event; raises between two steps if a signal was received."""
        from dfs_store.evaluate.comparison import run

        if isinstance(event, run.CellStarted):
            self._where = f"{event.number}/{event.total} {event.name}"
            self._started = time.monotonic()
        elif isinstance(event, run.CellEnded):
            self._on_end(event)
        else:
            self._on_progress(event.event)

    def _on_end(self, ended: "CellEnded") -> None:
        if self._quiet:
            return
        seconds = _output.duration_text(time.monotonic() - self._started)
        if ended.reason is not None:
            self._bar.message(f"{self._where}: FAILED after {seconds}: {ended.reason}")
        elif ended.result is not None:
            self._bar.message(f"{self._where}: top-1 {ended.result['top1']['mean']:.1f} %, {seconds}")

    def _on_progress(self, event: "Inner") -> None:
        from dfs_store.condense.events import ExtractorTrained, StepDone
        from dfs_store.evaluate import EvaluationProgress
        from dfs_store.videos import PrepareProgress

        self._in_steps = isinstance(event, StepDone)
        if isinstance(event, StepDone):
            self._show("condense", event.step + 1, event.iterations, f"loss {event.loss:.4g}")
            if self._stop is not None:
                raise KeyboardInterrupt(_AGAIN) if self._stop == signal.SIGINT else TerminatedError(_AGAIN)
            self._in_steps = event.step + 1 < event.iterations
        elif isinstance(event, EvaluationProgress):
            done = event.run * event.passes + event.passes_done
            details = f"run {event.run + 1} of {event.runs}  loss {event.loss:.3f}"
            self._show("evaluate", done, event.runs * event.passes, details)
        elif isinstance(event, ExtractorTrained):
            loss = "" if event.loss is None else f"loss {event.loss:.4g}"
            self._show("train a network on the real clips", event.passes_done, event.passes, loss)
        elif isinstance(event, PrepareProgress):
            self._show("prepare", event.done, event.total, f"{event.clips_per_second:.1f} clips/s")

    def _show(self, doing: str, done: int, total: int, details: str) -> None:
        self._bar.update(done, total, details, label=f"{self._where}: {doing}")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._stop is not None or not self._in_steps:
            raise KeyboardInterrupt(_AGAIN) if number == signal.SIGINT else TerminatedError(_AGAIN)
        self._stop = number
        if not self._quiet:
            self._bar.message("finishing this step, then saving a checkpoint (repeat to stop at once)")
