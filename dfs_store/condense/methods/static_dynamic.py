"""Static-dynamic (Wang et al.) trains static memories by gradient matching and dynamic ones with Eq. 8."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.condensed import Condensed, CondensedClip
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.gradient_matching import match_gradients
from dfs_store.condense.engine.initialise import even_positions, grouped_clips, real_frames
from dfs_store.condense.engine.matching import class_means, match
from dfs_store.condense.engine.memories import (
    MEMORIES_PER_VIDEO,
    MemoryClips,
    StaticDynamicClips,
    StaticDynamicMemory,
    memory_bytes,
)
from dfs_store.condense.engine.randomness import Purpose, numpy_generator, torch_generator
from dfs_store.condense.engine.real_clips import RealClips
from dfs_store.condense.engine.real_starts import real_starts, sources_of
from dfs_store.condense.events import Event, RunStarted, StepDone
from dfs_store.condense.method import MATCHING_SETTINGS, Method, Phases
from dfs_store.condense.methods.dfs import checked_network, clips_at_a_time
from dfs_store.condense.presets import Preset, row_at, short_run
from dfs_store.condense.runtime.checkpoint import State, checkpoint_path
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.condense.runtime.device import chunk_clips, resolve_device
from dfs_store.condense.runtime.steps import check_finite, decisive_settings, resumed, run_steps
from dfs_store.errors import CheckpointError
from dfs_store.loaders.transfers import on_device, on_host
from dfs_store.networks import ConvNet3D, FrameConvNet
from dfs_store.networks.drawing import draw_parameters
from dfs_store.videos import VideoDataset

__all__ = ["METHOD", "static_dynamic"]

# Presets for MiniUCF by vpc. The first stage uses the defaults of DC.
_PUBLIC_CODE: Mapping[int, Preset] = {
    1: Preset(1e-4, integrator_lr=1e-5, origin="public code of static-dynamic, miniucf at vpc 1"),
    5: Preset(1e3, integrator_lr=1e-6, origin="public code of static-dynamic, miniucf at vpc 5"),
}

STATIC_MOMENTUM = 0.5  # as in the public code of DC
_EXPLODED = "trained values are not finite"


def static_dynamic(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Trains memories in two stages, and returns them with the dense clips of the memory pairs (2j, 2j).

    Raises:
        DivergedError: the loss is no longer finite.
        OutOfMemoryError: the device runs out of memory.
        CheckpointError: the checkpoint to resume is damaged, or was made with different settings.
        SettingsError: the settings do not work with these clips.
    """
    device = resolve_device(config.device)
    network, kernels = checked_network(config, videos, device)
    at_a_time = clips_at_a_time(config, videos, device)
    run = _StaticDynamicRun(kernels.config(config), videos, device, network, at_a_time)
    decisive = decisive_settings(kernels.config(config), videos)
    first_step, state = resumed(config, decisive)
    if state is not None:
        run.restore(state, checkpoint_path(config.out))
    notes = config.notes() + kernels.notes
    tell(RunStarted(first_step, run.num_steps, len(run.memory), str(device), notes))
    with RealClips(videos, config.matching.batch_real, config.seed, device) as real:
        run_steps(run.steps(real, first_step), config, decisive, tell, run.state)
    return Condensed(
        _first_pairs(run.memory),
        sources_of(videos, run.starts),
        kernels.provenance() | at_a_time.provenance(),
        native=run.memory.arrays(),
    )


class _StaticDynamicRun:
    """Trains the memories in two successive stages, and saves and restores their state."""

    def __init__(
        self,
        config: CondenseConfig,
        videos: VideoDataset,
        device: torch.device,
        network: ConvNet3D,
        at_a_time: ClipsAtATime,
    ) -> None:
        self._at_a_time = at_a_time
        self._config, self._videos, self._device, self._network = config, videos, device, network
        self.num_static_steps = config.memories.static_iterations
        self.num_steps = self.num_static_steps + config.matching.iterations
        self.starts = real_starts(config, videos, device)
        self.memory = _initial_memory(config, videos, device, self.starts)
        self._optimizer = self._dynamic_optimizer()
        self._static_momentum = torch.zeros_like(self.memory.static)

    def steps(self, real: RealClips, first_step: int) -> Iterator[StepDone]:
        """Yields one event per step, first for the static and then for the dynamic stage."""
        num_frames, shape = self._videos.num_frames, self._videos.frame_shape
        frame_network = FrameConvNet(len(self._videos.classes), shape[1]).to(self._device)
        network = self._network
        for step in range(first_step, self.num_steps):
            static = step < self.num_static_steps
            generator = torch_generator(self._config.seed, Purpose.NETWORK, step, device=self._device)
            (frame_network if static else network).reset(generator)
            loss = (
                self._static_step(step, real, frame_network)
                if static
                else self._dynamic_step(step, real, network)
            )
            yield StepDone(
                step=step,
                iterations=self.num_steps,
                phase="static" if static else "dynamic",
                loss=loss,
                num_key_frames=len(self.memory) * num_frames,
                num_inserted=0,
                key_frame_bytes=4 * (self.memory.static.numel() + self.memory.dynamic.numel()),
            )

    def _static_step(self, step: int, real: RealClips, network: FrameConvNet) -> float:
        """Takes a step of stage 1: gradient matching, with the static memories as frames of their class."""
        lr, per_class = self._config.memories.static_lr, self.memory.dynamic.shape[1]
        static, distances = self.memory.static, list[Tensor]()
        gradient = torch.empty_like(static)
        clips_of_classes = (each for batch in real.batches(step) for each in batch.classes())
        for label, clips in enumerate(clips_of_classes):
            own = slice(label * per_class, (label + 1) * per_class)
            draws = numpy_generator(self._config.seed, Purpose.STATIC_FRAMES, step, label)
            at = on_device(draws.integers(0, clips.shape[1], len(clips)), self._device)
            frames = clips[torch.arange(len(clips), device=self._device), at]
            distance, gradient[own] = match_gradients(network, frames, static[own], label)
            distances.append(distance)
        self._static_momentum.mul_(STATIC_MOMENTUM).add_(gradient)
        static.sub_(self._static_momentum, alpha=lr)
        # Squares are checked, so that later computations do not overflow either.
        *found, moved = (float(each) for each in on_host([*distances, static.square().sum()]))
        loss = sum(found)
        check_finite(loss, step, "--static-lr", lr, STATIC_MOMENTUM)
        check_finite(moved, step, "--static-lr", lr, STATIC_MOMENTUM, _EXPLODED)
        return loss

    def _dynamic_step(self, step: int, real: RealClips, network: ConvNet3D) -> float:
        """Takes a step of stage 2: Eq. 8 on one newly drawn pair per clip; the static memory is fixed."""
        config, memory = self._config, self.memory
        means = class_means(
            network, real.batches(step), precision=config.precision, at_a_time=self._at_a_time
        )
        draws = numpy_generator(config.seed, Purpose.PAIRS, step)
        picks = draws.integers(0, MEMORIES_PER_VIDEO, (len(memory), 2))
        largest = chunk_clips(self._device, self._videos.num_frames, self._videos.frame_shape)
        losses = list[Tensor]()
        self._optimizer.zero_grad()
        for cut in grouped_clips(len(self._videos.classes), memory.vpc, largest):
            chunks = [MemoryClips(memory, np.asarray(clips), picks[np.asarray(clips)]) for clips in cut]
            for chunk, chunk_loss, gradient in match(network, chunks, means, at_a_time=self._at_a_time):
                losses.append(chunk_loss)
                chunk.pull_back(gradient)
        self._optimizer.step()
        moved = [
            (flag, group["lr"], parameter.detach().square().sum())
            for flag, group in zip(("--lr", "--integrator-lr"), self._optimizer.param_groups, strict=True)
            for parameter in group["params"]
        ]
        found = [float(each) for each in on_host([*losses, *(squares for _, _, squares in moved)])]
        loss = sum(found[: len(losses)])
        check_finite(loss, step, "--lr", config.matching.lr, config.matching.momentum)
        for (flag, lr, _), squares in zip(moved, found[len(losses) :], strict=True):
            check_finite(squares, step, flag, lr, config.matching.momentum, _EXPLODED)
        return loss

    def _dynamic_optimizer(self) -> torch.optim.SGD:
        self.memory.dynamic.requires_grad_()
        groups: list[dict[str, Any]] = [
            {"params": [self.memory.dynamic], "lr": self._config.lr},
            {"params": list(self.memory.integrator.parameters()), "lr": self._config.integrator_lr},
        ]
        return torch.optim.SGD(groups, momentum=self._config.matching.momentum)

    def _velocities(self) -> Iterator[tuple[str, Tensor]]:
        yield "dynamic", self.memory.dynamic
        yield from ((f"integrator_{name}", p) for name, p in self.memory.integrator.named_parameters())

    def state(self) -> State:
        """Returns the memories, the integrator and their momentum."""
        momentum = {"momentum_static": self._static_momentum.cpu().numpy()}
        for name, parameter in self._velocities():
            velocity = self._optimizer.state[parameter].get("momentum_buffer")
            if velocity is not None:
                momentum[f"momentum_{name}"] = velocity.cpu().numpy()
        return {**self.memory.arrays(), **momentum}

    def restore(self, state: State, path: Path) -> None:
        """Restores the state of the checkpoint at `path`.

        Raises:
            CheckpointError: the checkpoint was made with different clips or classes.
        """
        for name, fresh in self.state().items():
            if name not in state or state[name].shape != fresh.shape:
                there = f"shape {state[name].shape}" if name in state else "no array"
                raise CheckpointError(
                    f"the checkpoint {path} contains {there} for {name}, but this run needs shape "
                    f"{fresh.shape}, because the real clips or classes have changed; delete the checkpoint "
                    "to start the run again"
                )
        self.memory = StaticDynamicMemory.of_arrays(state, self._device)
        self._optimizer = self._dynamic_optimizer()
        self._static_momentum = torch.from_numpy(state["momentum_static"]).to(self._device)
        for name, parameter in self._velocities():
            if (velocity := state.get(f"momentum_{name}")) is not None:
                buffer = torch.from_numpy(velocity).to(self._device)
                self._optimizer.state[parameter]["momentum_buffer"] = buffer


def _initial_memory(
    config: CondenseConfig,
    videos: VideoDataset,
    device: torch.device,
    starts: npt.NDArray[np.int64] | None,
) -> StaticDynamicMemory:
    """Draws the memories and the integrator; static memories can start from real frames instead."""
    per_class, classes = MEMORIES_PER_VIDEO * config.per_class, len(videos.classes)

    def noise(purpose: Purpose, *shape: int) -> Tensor:
        return torch.randn(shape, generator=torch_generator(config.seed, purpose))

    if starts is not None:
        at = even_positions(MEMORIES_PER_VIDEO, videos.num_frames)
        static = torch.cat([real_frames(videos, clip, at) for clip in starts.tolist()])
    else:
        static = noise(Purpose.STATIC_MEMORY, classes * per_class, *videos.frame_shape)
    height, width = videos.frame_shape[1:]
    dynamic = noise(Purpose.DYNAMIC_MEMORY, classes, per_class, videos.num_frames, 1, height, width)
    memory = StaticDynamicMemory(static, dynamic)
    draw_parameters(memory.integrator, torch_generator(config.seed, Purpose.INTEGRATOR))
    return StaticDynamicMemory.of_arrays(memory.arrays(), device)


def _first_pairs(memory: StaticDynamicMemory) -> Iterator[CondensedClip]:
    """Yields the dense clips of the first memory pairs, for readers that support only key frames."""
    memory = StaticDynamicMemory.of_arrays(memory.arrays(), torch.device("cpu"))  # rendered in full float32
    for video in range(len(memory)):
        first = np.zeros((1, 2), dtype=np.int64)
        chunk = MemoryClips(memory, np.array([video]), first)
        frames = chunk.render()[0].numpy()
        yield CondensedClip(frames, np.arange(len(frames)), int(chunk.labels[0]))


def _preset(dataset: str, vpc: int) -> Preset:
    short = short_run(dataset)
    static = {"static_iterations": short["iterations"]} if short else {}
    return replace(row_at(_PUBLIC_CODE, vpc), **short, **static)


def _notes(config: CondenseConfig) -> list[str]:
    if config.stored_dtype == "float32":
        return []
    return [f"--dtype {config.dtype} applies only to the dense clips; the memories are stored as float32"]


def _phases(config: CondenseConfig) -> Phases:
    static = config.memories.static_iterations
    return (("static", 0, static), ("dynamic", static, static + config.matching.iterations))


METHOD = Method(
    run=static_dynamic,
    settings=(*MATCHING_SETTINGS, "static_iterations", "static_lr", "integrator_lr"),
    preset=_preset,
    encodes=False,
    notes=_notes,
    phases=_phases,
    native_bytes=memory_bytes,
    training_clips=StaticDynamicClips,
)
