"""Runs the steps of a method, reports each step and saves checkpoints."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import CheckpointSaved, Event, StepDone
from dfs_store.condense.runtime.checkpoint import State, checkpoint_path, load_newest, save_checkpoint
from dfs_store.condense.runtime.disk import DiskWatch
from dfs_store.condense.runtime.ranks import ALONE, Ranks
from dfs_store.errors import DivergedError
from dfs_store.loaders.precision import full_float32
from dfs_store.networks.out_of_memory import out_of_memory_named
from dfs_store.videos import VideoDataset
from dfs_store.videos.cache.entries import fingerprint

__all__ = ["AbandonedError", "check_finite", "decisive_settings", "resumed", "run_steps"]

SECONDS_BETWEEN_CHECKPOINTS = 300.0
_FIRST_LOSSES = 10  # several, because a single one can be 0 if clips still equal their real clips
_EXPLODED = 1e6
_REMEDY = (
    "allow more with --max-memory, or use a smaller --size or --frames; "
    "--resume continues from the last checkpoint"
)


class AbandonedError(BaseException):
    """Ends a run between two steps without saving a checkpoint. A forecast raises it after a few steps."""


def resumed(config: CondenseConfig, decisive: dict[str, Any]) -> tuple[int, State | None]:
    """Returns the first step to run, and the state from which to continue (None for a new run).

    Args:
        config: resolved settings.
        decisive: the result of `decisive_settings`.

    Raises:
        CheckpointError: the checkpoint to resume is damaged, or was made with different settings or real
            clips.
    """
    found = load_newest(config.out, decisive) if config.resume else None
    return found or (0, None)


def decisive_settings(config: CondenseConfig, videos: VideoDataset) -> dict[str, Any]:
    """Returns a JSON object with everything that determines the result: settings and real clips."""
    sources = [videos.source(number) for number in range(len(videos))]
    clips = {
        "classes": videos.classes,
        "labels": videos.labels.tolist(),
        "sampling": videos.sampling.to_json(),
        "sources": sources,
    }
    return {**config.provenance(), "real clips": fingerprint(clips)}


def run_steps(
    steps: Iterator[StepDone],
    config: CondenseConfig,
    decisive: dict[str, Any],
    tell: Callable[[Event], None],
    state: Callable[[], State | None],
    ranks: Ranks = ALONE,
) -> None:
    """Runs the steps of a method, reports each step and saves the state periodically.

    Args:
        steps: an iterator that yields after every step, when the state is consistent.
        config: resolved settings.
        decisive: the result of `decisive_settings`, which must be the same to resume from a checkpoint.
        tell: called with every event. If it raises an exception between two steps (as on Ctrl-C), a
            checkpoint is saved, except for `AbandonedError`.
        state: called on all ranks at once; returns the arrays to save on the first rank, and None on the
            others.
        ranks: the processes that share the run; only this process by default.

    Raises:
        DivergedError: the loss is no longer finite, or has exploded; the message names the last checkpoint.
        OutOfMemoryError: the device runs out of memory.
        LostRankError: another process ended unexpectedly.
    """
    path = checkpoint_path(config.out)
    saved_seconds, saved_step = time.monotonic(), None
    explosion = _Explosion(config)
    disk = DiskWatch(config.out)

    def save(next_step: int) -> None:
        nonlocal saved_step
        arrays = state()
        if arrays is not None:
            save_checkpoint(path, next_step, decisive, arrays)
        saved_step = next_step

    def good_steps() -> Iterator[StepDone]:
        try:
            for event in steps:
                explosion.look(event)
                yield event
        except DivergedError as error:
            kept = (
                "no checkpoint had been saved"
                if saved_step is None
                else f"the last good state, after step {saved_step - 1}, is kept in {path}"
            )
            raise DivergedError(f"{error}; {kept}") from error

    with full_float32(), out_of_memory_named(_REMEDY):
        for event in good_steps():
            next_step, end = event.step + 1, None
            try:
                tell(event)
            except AbandonedError:
                raise
            except BaseException as error:  # noqa: BLE001 - raised again after all ranks have agreed
                end = error
            if config.checkpoint_every is not None:
                due = next_step % config.checkpoint_every == 0
            else:
                due = time.monotonic() - saved_seconds >= SECONDS_BETWEEN_CHECKPOINTS
            if ranks.is_first:
                disk.look(event.key_frame_bytes)
            # All ranks save or end after the same step; the clock of the first rank decides.
            ended, due_there = ranks.totals([end is not None, due and ranks.is_first])
            if ended:
                # The step is finished and the state is consistent, so it is saved whatever ends the run.
                save(next_step)
                raise end or KeyboardInterrupt("another process of this run was stopped")
            # Always after the last step, so that the training is not lost if the store cannot be written.
            if due_there or next_step == event.iterations:
                save(next_step)
                saved_seconds = time.monotonic()
                tell(CheckpointSaved(str(path), next_step))


def check_finite(value: float, step: int, lr_flag: str, lr: float, momentum: float, what: str = "") -> None:
    """Raises DivergedError if a loss, or a number computed from trained values, is not finite.

    The message starts with `what`, by default "the loss is ...", and names the learning rate by its flag.
    """
    if not math.isfinite(value):
        raise _diverged(what or f"the loss is {value}", step, lr_flag, lr, momentum)


class _Explosion:
    """Detects a loss that has diverged even though it is finite."""

    def __init__(self, config: CondenseConfig) -> None:
        self._config = config
        self._stage, self._first = "", list[float]()

    def look(self, event: StepDone) -> None:
        """Raises DivergedError if the loss exceeds the first losses of its stage by a factor of a million."""
        stage = "static" if event.phase == "static" else "clips"
        if stage != self._stage:
            self._stage, self._first = stage, []
        if len(self._first) < _FIRST_LOSSES:
            self._first.append(event.loss)
        elif event.loss > _EXPLODED * max(self._first) > 0:
            flag, lr = "--lr", self._config.matching.lr
            if stage == "static":
                flag, lr = "--static-lr", self._config.memories.static_lr
            momentum = self._config.matching.momentum
            raise _diverged(f"the loss is {event.loss:.3g}", event.step, flag, lr, momentum)


def _diverged(what: str, step: int, lr_flag: str, lr: float, momentum: float) -> DivergedError:
    return DivergedError(
        f"{what} at step {step}: the run diverged with {lr_flag} {lr:g} and momentum {momentum:g}; "
        "try a learning rate ten times smaller"
    )
