"""Shows the progress and result of each cell of a comparison."""

import time
from typing import TYPE_CHECKING

from .. import _output
from .stoppable import StoppableProgress

if TYPE_CHECKING:
    from dfs_store.evaluate.comparison.cells import Progress as Inner
    from dfs_store.evaluate.comparison.run import CellEnded, Event

_STOPPED = "stopped; run the same command again to continue"


class CompareProgress(StoppableProgress):
    """Progress of a comparison. After a signal stops it, running the same command again continues it."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__("compare", quiet=quiet, stopped=_STOPPED)
        self._where = ""

    def on_event(self, event: "Event") -> None:
        """Shows an event. Raises KeyboardInterrupt or TerminatedError if a signal was received."""
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
            self._stop_if_signalled(_STOPPED)
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
