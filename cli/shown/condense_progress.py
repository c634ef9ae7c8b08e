"""Shows the progress of a run: phase, steps per second, time left, loss, key frames and MiB."""

import time
from typing import TYPE_CHECKING

from dfs_store.names import counted

from .. import _output
from .stoppable import StoppableProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from dfs_store.condense import CondenseConfig
    from dfs_store.condense.events import Event, ExtractorTrained, RunStarted, StepDone


class CondenseProgress(StoppableProgress):
    """Shows and records a run's progress. If a signal stops the run, the error explains how to continue."""

    def __init__(self, settings: "CondenseConfig", record: "Callable[[Event], None]", *, quiet: bool) -> None:
        super().__init__("condense", quiet=quiet, stopped="stopped at once")
        self._settings = settings
        self._record = record
        self._steps = 0  # of the whole run, including steps before it was resumed
        self._seconds = 0.0
        self._seconds_before = 0.0
        self._smooth_loss: float | None = None
        self._losses: list[float] = []  # smoothed, one per step
        self._inserted: list[tuple[int, int]] = []  # step, number of key frames
        self._phase = ""

    @property
    def seconds_before(self) -> float:
        """Total duration in seconds of the earlier processes of a resumed run; 0 if not resumed."""
        return self._seconds_before

    @property
    def steps_per_second(self) -> float | None:
        """Steps per second of the run; None for methods without steps."""
        return round(self._steps / self._seconds, 4) if self._steps and self._seconds > 0 else None

    def on_event(self, event: "Event") -> None:
        """Shows and records an event. Raises KeyboardInterrupt or TerminatedError after a signal."""
        from dfs_store.condense import CheckpointSaved, ClipsFitted, ExtractorTrained, RunStarted, StepDone

        self._record(event)
        if isinstance(event, RunStarted):
            self._on_start(event)
        elif isinstance(event, StepDone):
            self._on_step(event)
        elif isinstance(event, ExtractorTrained):
            self._on_extractor(event)
        elif isinstance(event, ClipsFitted):
            self._bar.update(event.done, event.num_clips, "fitting and encoding clips")
        elif isinstance(event, CheckpointSaved) and self._settings.checkpoint_every and not self._quiet:
            self._bar.message(f"checkpoint at step {event.step:,}: {event.path}")

    def _on_start(self, event: "RunStarted") -> None:
        self._in_steps = event.iterations > 0
        self._started = time.monotonic()
        if event.step:
            self._take_up(event.step)
        if self._quiet:
            return
        where = f"from step {event.step:,}, " if event.step else ""
        steps = f"{event.iterations:,} steps, " if event.iterations else ""
        self._bar.message(
            f"{self._settings.method}: {counted(event.num_clips, 'clip')}, {where}{steps}on {event.device}"
        )
        for note in event.notes:
            self._bar.message(f"note: {note}")

    def _take_up(self, first_step: int) -> None:
        """Reads from the log the steps and durations of the earlier processes of a resumed run."""
        from dfs_store.condense.runtime.event_log import event_log_path, events_before

        of_process = 0.0
        for line in events_before(event_log_path(self._settings.out), first_step):
            if line["event"] == "run_started":
                self._seconds_before, of_process = self._seconds_before + of_process, 0.0
            elif line["event"] == "step_done":
                of_process = line["elapsed_seconds"]
                self._count(line["step"], line["loss"], line["num_inserted"])
        self._seconds_before += of_process

    def _count(self, step: int, loss: float, num_inserted: int) -> None:
        self._steps += 1
        smooth = loss if self._smooth_loss is None else 0.9 * self._smooth_loss + 0.1 * loss
        self._smooth_loss = smooth
        self._losses.append(smooth)
        if num_inserted:
            self._inserted.append((step, num_inserted))

    def _on_extractor(self, event: "ExtractorTrained") -> None:
        loss = "" if event.loss is None else f"  loss {event.loss:.4g}"
        self._bar.update(event.passes_done, event.passes, f"training a network on the real clips{loss}")

    def _on_step(self, event: "StepDone") -> None:
        from dfs_store.condense.runtime.checkpoint import checkpoint_path

        self._count(event.step, event.loss, event.num_inserted)
        self._seconds = self._seconds_before + time.monotonic() - self._started
        if event.phase != self._phase:
            self._new_phase(event)
        if not self._quiet:
            self._bar.update(
                event.step + 1,
                event.iterations,
                f"{event.phase}  {self._steps / self._seconds:.2f} steps/s  loss {self._smooth_loss:.4g}  "
                f"{counted(event.num_key_frames, 'key frame')}  {_output.mebibytes(event.key_frame_bytes)}  "
                f"{_output.sparkline(self._losses)}",
            )
        self._stop_if_signalled(
            f"stopped after step {event.step + 1:,}; the checkpoint is "
            f"{checkpoint_path(self._settings.out)}. To continue, run the same command again with --resume"
        )
        if event.step + 1 == event.iterations:
            self._in_steps = False  # the checkpoint is saved, and only the store is left to write

    def _new_phase(self, event: "StepDone") -> None:
        """Announces a phase above the bar. If there is no terminal, the progress lines include the phase."""
        if self._phase and not self._quiet and self._bar.is_live:
            frames = f"{counted(event.num_key_frames, 'key frame')}"
            self._bar.message(f"step {event.step:,}: {event.phase} begins, {frames}")
        self._phase = event.phase

    def story(self) -> list[str]:
        """Returns up to two lines about the course of the run, for the summary."""
        lines = []
        if self._losses:
            where = f"loss {self._losses[0]:.4g} at the start, {self._losses[-1]:.4g} at the end"
            lines.append(f"{where}; {self.steps_per_second or 0:.2f} steps/s")
        if self._inserted:
            number = sum(count for _, count in self._inserted)
            first, last = self._inserted[0][0], self._inserted[-1][0]
            when = f"at step {first:,}" if first == last else f"from step {first:,} to {last:,}"
            lines.append(f"{counted(number, 'key frame')} inserted, {when}")
        return lines
