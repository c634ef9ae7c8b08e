"""Times a few steps of a run to forecast its duration. Writes no files."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.extractor import EXTRACTOR_TRAINING, extractor_is_kept, features_of
from dfs_store.condense.events import Event, RunStarted, StepDone
from dfs_store.condense.plan import Plan
from dfs_store.condense.runtime.checkpoint import checkpoints_of
from dfs_store.condense.runtime.device import limited_memory, resolve_device
from dfs_store.condense.runtime.steps import AbandonedError, decisive_settings, resumed
from dfs_store.errors import SettingsError
from dfs_store.networks import ConvNet3D, fast_order
from dfs_store.networks.timing import TIMED_STEPS, seconds_per_pass, synchronised_clock
from dfs_store.videos import VideoDataset
from dfs_store.videos.epochs import VideoClips
from dfs_store.videos.of_store import clips_named_by
from dfs_store.videos.rehearsal import Rehearsal, rehearse

__all__ = ["Forecast", "Paces", "forecast_run", "measured", "rehearse_training_clips"]

# Measured seconds, keyed by the work that was timed.
Paces = dict[object, float]

_EMBEDDED = 32  # clips
_NEVER = 10**9  # steps between checkpoints


@dataclass(frozen=True)
class Forecast:
    """An estimated duration.

    Attributes:
        parts: seconds by stage, in order.
        rough: whether the estimate relies on more than timed steps with the run's own clips.
    """

    parts: dict[str, float]
    rough: bool

    @property
    def seconds(self) -> float:
        """The total duration in seconds."""
        return sum(self.parts.values())

    def to_json(self) -> dict[str, Any]:
        """Returns a JSON object with `forecast_seconds`, `rough` and `forecast_parts`."""
        parts = {name: round(seconds, 3) for name, seconds in self.parts.items()}
        return {"forecast_seconds": round(self.seconds, 3), "rough": self.rough, "forecast_parts": parts}


def measured(paces: Paces, key: object, measure: Callable[[], float]) -> float:
    """Returns the seconds recorded for `key`; if there are none, measures and records them first."""
    if key not in paces:
        paces[key] = measure()
    return paces[key]


def rehearse_training_clips(config: CondenseConfig) -> Rehearsal:
    """Returns a run's real clips without held-out clips, or substitutes for clips that are not prepared."""
    clips = clips_named_by(config)
    made = rehearse(
        clips.pop("name_or_folder"),
        frames=config.frames,
        stride=config.stride,
        size=config.size,
        decoder=config.decoder or "auto",
        max_memory=config.max_memory_bytes,
        **clips,
    )
    if config.hold_out is None:
        return made
    return made._replace(videos=made.videos.hold_out(config.hold_out)[0])


def forecast_run(plan: Plan, clips: Rehearsal | None = None, paces: Paces | None = None) -> Forecast | None:
    """Forecasts how long a run takes. Writes no files.

    For each stage of an iterative method, runs one warm-up step and times two steps, with the run's own loop
    and settings. Training a network on the real clips is timed in the same way. For a method that keeps real
    clips, times its work on one clip of each class. The forecast does not include writing the store.

    Args:
        plan: plan of the run.
        clips: the clips that `rehearse_training_clips` returned. If None, that function is called.
        paces: seconds already measured with these clips; new measurements are added.

    Returns:
        The forecast; None for user-defined methods, whose steps are unknown.

    Raises:
        CheckpointError: the checkpoint to resume is damaged or was made with different settings.
        OutOfMemoryError: the device runs out of memory.
        DatasetNotFoundError, EmptyClassError: the dataset does not exist, or a class has no clips.
    """
    config = plan.config
    if ":" in config.method:
        return None
    with limited_memory(resolve_device(config.device), config.max_memory_bytes):
        made = rehearse_training_clips(config) if clips is None else clips
        return _forecast(plan, made, {} if paces is None else paces)


def _forecast(plan: Plan, clips: Rehearsal, paces: Paces) -> Forecast:
    config, device, videos = plan.config, resolve_device(plan.config.device), clips.videos
    parts: dict[str, float] = {}
    if clips.decoding_seconds is not None:
        parts["decoding"] = clips.decoding_seconds
    by_features = config.uses("extractor")
    trains = (by_features and config.extractor == "trained") or config.soft_labels
    starts = config.uses("init") and config.init in ("herding", "pack")
    if trains or by_features or starts:
        network = ConvNet3D(len(videos.classes), videos.num_frames, videos.frame_shape[1])
        network.reset(torch.Generator().manual_seed(0))
        fast_order(network.to(device))
        if by_features or starts or config.soft_labels:
            each = measured(paces, "embedding", lambda: _embedding_seconds(network, videos))
            embedded = len(videos) * (by_features or starts) + plan.num_clips * config.soft_labels
            parts["embedding"] = each * embedded
        if trains and not extractor_is_kept(videos):
            source = VideoClips(videos, device)
            one = measured(paces, "network", lambda: seconds_per_pass(network, source, EXTRACTOR_TRAINING))
            parts["network"] = EXTRACTOR_TRAINING.passes * one
    parts |= _of_steps(plan, clips) if config.iterates else {"clips": _keeping_seconds(plan, videos)}
    return Forecast(parts, rough=clips.decoding_seconds is not None or not config.iterates)


def _embedding_seconds(network: ConvNet3D, videos: VideoDataset) -> float:
    """Returns the time in seconds to embed one real clip."""
    some = videos.subset(np.arange(min(_EMBEDDED, len(videos))))
    device = next(network.parameters()).device
    features_of(network, some)
    started = synchronised_clock(device)
    features_of(network, some)
    return (synchronised_clock(device) - started) / len(some)


def _of_steps(plan: Plan, clips: Rehearsal) -> dict[str, float]:
    """Returns the times in seconds for the setup and for all remaining steps."""
    config = plan.config
    first = 0
    if config.resume and checkpoints_of(config.out) and clips.decoding_seconds is None:
        first, _ = resumed(config, decisive_settings(config, clips.videos))
    watch = _Stopwatch(resolve_device(config.device), {_stage(name) for name, *_ in plan.phases})
    started = time.perf_counter()
    trial = _rehearsed(config)
    with contextlib.suppress(AbandonedError):
        trial.record.run(trial, clips.videos, watch.on_event)
    each = watch.seconds_per_step()
    steps = sum(
        (end - max(start, first)) * each[_stage(name)] for name, start, end in plan.phases if end > first
    )
    return {"setting up": watch.started - started, "steps": steps}


def _rehearsed(config: CondenseConfig) -> CondenseConfig:
    """Returns the settings of a rehearsal, which runs a few steps and writes no files."""
    quick: dict[str, Any] = {"resume": False, "checkpoint_every": _NEVER, "snapshots": None}
    if config.uses("init") and config.init in ("herding", "pack"):
        quick["init"] = "real"  # choosing the clips is forecast separately
    if config.uses("static_iterations"):
        quick["static_iterations"] = min(config.memories.static_iterations, 1 + TIMED_STEPS)
    return replace(config, **quick)


def _stage(phase: str) -> str:
    """Returns the stage of a phase; all steps of a stage take equally long."""
    return "static" if phase == "static" else "matching"


class _Stopwatch:
    """Times a few steps of each stage, then stops the run."""

    def __init__(self, device: torch.device, stages: set[str]) -> None:
        self._device, self._stages = device, stages
        self._times: dict[str, list[float]] = {}
        self._last = self.started = time.perf_counter()

    def on_event(self, event: Event) -> None:
        """Records how long a step took; raises AbandonedError after enough steps."""
        if isinstance(event, RunStarted):
            self._last = self.started = synchronised_clock(self._device)
        if not isinstance(event, StepDone):
            return
        now, stage = synchronised_clock(self._device), _stage(event.phase)
        self._times.setdefault(stage, []).append(now - self._last)
        self._last = now
        enough = all(len(self._times.get(each, ())) > TIMED_STEPS for each in self._stages)
        if enough or event.step + 1 == event.iterations:
            raise AbandonedError

    def seconds_per_step(self) -> dict[str, float]:
        """Returns the mean seconds per step by stage, ignoring a stage's first step if others were timed."""
        return {stage: float(np.mean(times[1:] or times)) for stage, times in self._times.items()}


def _keeping_seconds(plan: Plan, videos: VideoDataset) -> float:
    """Estimates the time in seconds to keep the real clips, from one clip of each class."""
    config = plan.config
    firsts = videos.subset(np.unique(videos.labels, return_index=True)[1])
    share = len(firsts) / plan.num_clips
    for more in (1, 4, 16):  # retried because these clips may need more bytes than the average clip
        budget = config.budget_bytes and math.ceil(more * share * config.budget_bytes)
        trial = replace(config, vpc="all", extractor="random", budget=budget)
        started = time.perf_counter()
        try:
            for _ in trial.record.run(trial, firsts, lambda _event: None).clips:
                pass
        except SettingsError:
            continue
        return (time.perf_counter() - started) / share
    return 0.0
