"""How long a comparison will take, from the pace of a few training steps on this machine."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from dfs_store.condense.engine.extractor import EXTRACTOR_TRAINING
from dfs_store.condense.methods import method_named
from dfs_store.condense.runtime.device import resolve_device
from dfs_store.condense.training_clips import TrainingClips
from dfs_store.evaluate.comparison.cells import Cell
from dfs_store.evaluate.comparison.rows import config_of, evaluation_of
from dfs_store.evaluate.comparison.spec import Comparison
from dfs_store.evaluate.record import WHOLE
from dfs_store.networks import build_network, fast_order
from dfs_store.videos.built_in import BUILT_IN
from dfs_store.videos.files.catalogue import CATALOGUE, FOLDER

__all__ = ["forecast_seconds"]

_TIMED_STEPS = 2
_BATCH = 8  # a step of the largest network takes seconds on a CPU


class Pace(NamedTuple):
    """Seconds that a clip takes: forward and backward, and forward alone."""

    train: float
    test: float


def forecast_seconds(asked: Comparison, cells: Sequence[Cell], clips: TrainingClips) -> float:
    """Returns about how long cells will take, without decoding and without loading.

    Every network of the comparison takes one training step to warm up and two that are timed, on random
    clips of the right shape. The extractor of herding, k-center and pack is trained once.

    Args:
        asked: the comparison.
        cells: those that are not finished.
        clips: the real clips to condense, counted.
    """
    paces: dict[str, Pace] = {}

    def pace(model: str) -> Pace:
        if model not in paces:
            paces[model] = _measured(model, asked.device, clips)
        return paces[model]

    total, extractor = 0.0, False
    for cell in cells:
        settings = evaluation_of(asked, cell.row, cell.seed)
        network = pace(settings.model)
        real = sum(clips.per_class.values())
        trained_on = real if cell.row.method == WHOLE else len(clips.per_class) * int(cell.row.vpc or 1)
        tested_on = max(1, settings.random_starts // settings.runs) * _num_test_clips(asked, clips)
        each = settings.training(0).passes * trained_on * network.train + tested_on * network.test
        total += settings.runs * each
        if cell.row.method == WHOLE:
            continue
        total += _condensing(asked, cell, clips, pace("convnet3d"))
        extractor |= "extractor" in method_named(cell.row.method).settings
    if extractor:
        total += EXTRACTOR_TRAINING.passes * sum(clips.per_class.values()) * pace("convnet3d").train
    return total


def _condensing(asked: Comparison, cell: Cell, clips: TrainingClips, pace: Pace) -> float:
    """Returns the time of the steps of Eq. 8: a forward pass of real clips, both passes of synthetic ones."""
    config = config_of(asked, cell.row, cell.seed, cell.store).resolved()
    if config.record.phases is None:
        return 0.0
    steps = max(end for _, _, end in config.record.phases(config))
    real = sum(min(config.matching.batch_real, number) for number in clips.per_class.values())
    return steps * (real * pace.test + len(clips.per_class) * config.vpc * pace.train)


def _measured(model: str, device_name: str, clips: TrainingClips) -> Pace:
    device = resolve_device(device_name)
    classes, (channels, height, width) = len(clips.per_class), clips.frame_shape
    network = fast_order(build_network(model, classes, clips.num_frames, height, seed=0).to(device))
    number = _BATCH
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(number, clips.num_frames, channels, height, width, generator=generator).to(device)
    labels = torch.arange(number, device=device) % classes

    def train() -> None:
        network.zero_grad()
        F.cross_entropy(network(batch), labels).backward()  # type: ignore[no-untyped-call]

    def test() -> None:
        with torch.inference_mode():
            network(batch)

    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # dropout draws from it
        return Pace(*(_seconds(step, device) / number for step in (train, test)))


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    """Times a step after one that warms up: the faster of two, as another program may slow one of them."""
    step()
    times = []
    for _ in range(_TIMED_STEPS):
        _wait(device)
        started = time.perf_counter()
        step()
        _wait(device)
        times.append(time.perf_counter() - started)
    return min(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _num_test_clips(asked: Comparison, clips: TrainingClips) -> int:
    """Returns about how many clips are tested on; of a folder that names no number, a third as many again."""
    if asked.dataset in BUILT_IN:
        return BUILT_IN[asked.dataset].test_clips_per_class * len(clips.per_class)
    info = CATALOGUE.get(asked.dataset, FOLDER)
    known = info.num_clips.get("test")
    if known is None or asked.hold_out is not None:
        return sum(clips.per_class.values()) // 3
    return known * len(clips.per_class) // (info.num_classes or len(clips.per_class))
