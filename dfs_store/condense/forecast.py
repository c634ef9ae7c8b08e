"""How long a run will take: a few of its steps are rehearsed, and nothing is written."""

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

# Seconds by what was timed.
Paces = dict[object, float]

_EMBEDDED = 32  # clips
_NEVER = 10**9  # steps between checkpoints


@dataclass(frozen=True)
class Forecast:
    """About how long something will take.

    Attributes:
        parts: seconds by what takes them, in order.
        rough: whether it rests on more than steps of the run itself, timed with the clips it will use.
    """

    parts: dict[str, float]
    rough: bool

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return sum(self.parts.values())

    def to_json(self) -> dict[str, Any]:
        """Returns `forecast_seconds`, `rough` and the seconds of each part."""
        parts = {name: round(seconds, 3) for name, seconds in self.parts.items()}
        return {"forecast_seconds": round(self.seconds, 3), "rough": self.rough, "forecast_parts": parts}


def measured(paces: Paces, key: object, measure: Callable[[], float]) -> float:
    """Returns seconds that were measured before, or measures them."""
    if key not in paces:
        paces[key] = measure()
    return paces[key]


def rehearse_training_clips(config: CondenseConfig) -> Rehearsal:
    """Returns the real clips of a run, or as many that look alike, without those held out."""
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
    """Returns about how long a run will take; nothing is written.

    A run of steps takes one to warm up and two that are timed, of each stage, in the loop and with the
    settings of the run. Training a network on the real clips is timed likewise; so is what a method does to
    one clip of each class, if it keeps real ones. Writing the store is not counted.

    Args:
        plan: of the run.
        clips: of `rehearse_training_clips`, if they are there already.
        paces: seconds that were measured with these clips before; others are added.

    Returns:
        None for a method of the user's own, which may do anything.

    Raises:
        CheckpointError: a checkpoint to resume is damaged, or of other settings.
        OutOfMemoryError: the device is too small.
        DatasetNotFoundError, EmptyClassError: there are no such clips.
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
    """Returns the seconds that one real clip takes to be embedded."""
    some = videos.subset(np.arange(min(_EMBEDDED, len(videos))))
    device = next(network.parameters()).device
    features_of(network, some)
    started = synchronised_clock(device)
    features_of(network, some)
    return (synchronised_clock(device) - started) / len(some)


def _of_steps(plan: Plan, clips: Rehearsal) -> dict[str, float]:
    """Returns the time of setting up and of all steps that are left."""
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
    """Returns the settings of a rehearsal, of as few steps as it needs, which keeps no checkpoint."""
    quick: dict[str, Any] = {"resume": False, "checkpoint_every": _NEVER}
    if config.uses("init") and config.init in ("herding", "pack"):
        quick["init"] = "real"  # choosing them is forecast apart
    if config.uses("static_iterations"):
        quick["static_iterations"] = min(config.memories.static_iterations, 1 + TIMED_STEPS)
    return replace(config, **quick)


def _stage(phase: str) -> str:
    """Returns which steps take as long as those of a phase: static-dynamic has two kinds of them."""
    return "static" if phase == "static" else "matching"


class _Stopwatch:
    """Times a few steps of each stage, then ends the run."""

    def __init__(self, device: torch.device, stages: set[str]) -> None:
        self._device, self._stages = device, stages
        self._times: dict[str, list[float]] = {}
        self._last = self.started = time.perf_counter()

    def on_event(self, event: Event) -> None:
        """Notes the time; raises AbandonedError when it has seen enough."""
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
        """Returns the seconds of a step by stage; the first step of a stage warms up, if there are others."""
        return {stage: float(np.mean(times[1:] or times)) for stage, times in self._times.items()}


def _keeping_seconds(plan: Plan, videos: VideoDataset) -> float:
    """Returns the time of what a method does to the real clips it keeps, from one clip of each class."""
    config = plan.config
    firsts = videos.subset(np.unique(videos.labels, return_index=True)[1])
    share = len(firsts) / plan.num_clips
    for more in (1, 4, 16):  # a clip of these may need more bytes than the mean
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
