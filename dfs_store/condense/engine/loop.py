"""The DFS training loop, as in the paper: sample real clips, embed, match, step, and possibly insert."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.initialise import Group
from dfs_store.condense.engine.insertion.budget import Room
from dfs_store.condense.engine.insertion.rule import adjacent_cosines, gradient_dots
from dfs_store.condense.engine.insertion.watch import Watch
from dfs_store.condense.engine.matching import class_means, match
from dfs_store.condense.engine.randomness import Purpose, numpy_generator, torch_generator
from dfs_store.condense.engine.real_clips import RealClips
from dfs_store.condense.events import StepDone
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.condense.runtime.ranks import ALONE, Ranks
from dfs_store.condense.runtime.steps import check_finite
from dfs_store.loaders.transfers import on_host
from dfs_store.networks import ConvNet3D

__all__ = ["dfs_loop"]


def dfs_loop(
    config: CondenseConfig,
    real: RealClips,
    network: ConvNet3D,
    groups: Sequence[Group],
    first_step: int = 0,
    ranks: Ranks = ALONE,
    first_group: int = 0,
    at_a_time: ClipsAtATime | None = None,
) -> Iterator[StepDone]:
    """Trains the key frames in `groups` in place.

    Args:
        config: resolved settings.
        real: source of the real batches.
        network: the network that embeds clips. Its weights are reinitialised at every step and never trained.
        groups: the key frames; each group contains whole classes.
        first_step: first step to run; above 0 for a resumed run.
        ranks: the processes that share the classes; only this process by default.
        first_group: index of `groups[0]` among the groups of all ranks.
        at_a_time: the number of clips to embed at a time; whole batches and chunks by default.

    Yields:
        One event per step.

    Raises:
        DivergedError: the loss is no longer finite; the key frames have already been updated.
    """
    schedule = config.schedule
    at_a_time = at_a_time or ClipsAtATime()
    lr, momentum = config.matching.lr, config.matching.momentum
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    device, num_frames = next(network.parameters()).device, groups[0][0].num_frames

    for step in range(first_step, schedule.iterations):
        network.reset(torch_generator(config.seed, Purpose.NETWORK, step, device=device))
        real_means = class_means(
            network, real.batches(step, dtype), precision=config.precision, at_a_time=at_a_time
        )
        losses, cosines = list[Tensor](), list[Tensor]()
        for group in groups:
            matched = match(network, group, real_means, real.labels.start, at_a_time)
            for chunk, chunk_loss, gradient in matched:
                losses.append(chunk_loss)
                own = at_a_time.whole(partial(chunk.pull_back, gradient))
                chunk.step(own, lr=lr, momentum=momentum)
                if schedule.inserts(step):
                    cosines.append(adjacent_cosines(gradient_dots(gradient), chunk, config.gradient))

        # The only point at which the host waits for the device.
        numbers = on_host([*losses, *cosines])
        loss = sum(map(float, numbers[: len(losses)]))
        check_finite(loss, step, "--lr", lr, momentum)
        watch = Watch(config.watch, num_frames)
        inserted = _insert(
            config, groups, numbers[len(losses) :], step, first_group, real.num_classes, watch, at_a_time
        )
        num_key_frames = sum(chunk.positions.size for group in groups for chunk in group)
        loss, *counts = ranks.totals([loss, num_key_frames, *inserted, *watch.numbers()])
        yield _event(config, step, loss, counts, groups[0][0].frames[0].numel() * 4, watch)


def _event(
    config: CondenseConfig, step: int, loss: float, counts: Sequence[float], frame_bytes: int, watch: Watch
) -> StepDone:
    num_key_frames, num_inserted, num_candidates = (int(count) for count in counts[:3])
    schedule = config.schedule
    return StepDone(
        step=step,
        iterations=schedule.iterations,
        phase=schedule.phase(step),
        loss=loss,
        num_key_frames=num_key_frames,
        num_inserted=num_inserted,
        num_candidates=num_candidates if schedule.inserts(step) else None,
        key_frame_bytes=num_key_frames * frame_bytes,
        cosines=watch.scores(counts[3:]),
    )


def _insert(
    config: CondenseConfig,
    groups: Sequence[Group],
    cosines: Sequence[npt.NDArray[np.float64]],
    step: int,
    first_group: int,
    num_classes: int,
    watch: Watch,
    at_a_time: ClipsAtATime,
) -> tuple[int, int]:
    """Adds the cosines of all chunks to the evidence, and inserts key frames if this step is a test.

    Returns:
        The number of insertions, and the number of candidates that qualify based on this step's cosines
        alone.
    """
    if not cosines:
        return 0, 0
    schedule, rule, found = config.schedule, config.rule, iter(cosines)
    num_inserted, num_candidates = 0, 0
    first_clip = int(groups[0][0].labels[0]) * config.per_class
    for number, group in enumerate(groups, start=first_group):
        room = Room(config, group, num_classes)
        for chunk in group:
            own = next(found)
            num_candidates += rule.count_candidates(own)
            watch.look(own, first_clip)
            rule.gather(own, chunk.evidence)
            if schedule.tests(step):
                names = step, number, int(chunk.labels[0])
                draws = numpy_generator(config.seed, Purpose.INSERTION, *names)
                chosen = room.take(rule.choose(chunk.evidence, draws), chunk.labels)
                at_a_time.whole(partial(chunk.insert, chosen, step))
                chunk.evidence.clear()
                num_inserted += len(chosen)
            first_clip += chunk.labels.size
    return num_inserted, num_candidates
