"""Several trainings from scratch, each tested on real clips."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol as TypingProtocol

import numpy as np
import torch
from torch import Tensor

from dfs_store.errors import SettingsError
from dfs_store.evaluate.result import EvaluatedOn, EvaluationResult, Score
from dfs_store.evaluate.testing import PROTOCOLS, Protocol, answers_on, random_starts, standardisation_of
from dfs_store.names import known_name
from dfs_store.networks import (
    ClipBatches,
    TrainingSettings,
    build_network,
    check_network_name,
    fast_order,
    train,
)
from dfs_store.networks.out_of_memory import out_of_memory_named
from dfs_store.networks.recipes import recipe_named
from dfs_store.videos import VideoDataset

__all__ = ["EvaluationProgress", "EvaluationSettings", "evaluate"]

LABELS = "hard"


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How a store is scored; the defaults are those of the paper.

    `training(run)` has the values of `epochs` and `lr` that are used.

    Attributes:
        model: name of the network, see `dfs_store.networks.NETWORKS`; or "module:Class".
        protocol: "paper" or "strict".
        recipe: how networks are trained, "paper" or "modern" (`dfs_store.networks.recipes`).
        runs: trainings, each with its own seed.
        epochs: passes over the clips; with recipe "paper" the published argument N, which makes N + 1
            passes. None is the recipe's: 500 (paper) or 300 (modern).
        lr: highest learning rate; None is the recipe's: 0.01 (paper) or 0.001 (modern).
        batch_size: clips per training step.
        seed: of the first run's numbers; run r draws from (seed, r).
        device: where to train.
    """

    model: str = "convnet3d"
    protocol: Protocol = "paper"
    recipe: str = "paper"
    runs: int = 5
    epochs: int | None = None
    lr: float | None = None
    batch_size: int = 256
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_network_name(self.model)
        if self.protocol not in PROTOCOLS:
            known_name(self.protocol, PROTOCOLS, "--protocol")
        if self.runs < 1:
            raise SettingsError(f"--runs must be at least 1, got {self.runs}")
        self.training(0)

    @property
    def random_starts(self) -> int:
        """How many random starts the test clips must have (`open_videos(..., random_starts=...)`)."""
        return random_starts(self.protocol, self.runs)

    def training(self, run: int) -> TrainingSettings:
        """Returns the settings of one training."""
        recipe = recipe_named(self.recipe)
        return TrainingSettings(
            recipe=recipe,
            epochs=recipe.epochs if self.epochs is None else self.epochs,
            lr=recipe.lr if self.lr is None else self.lr,
            batch_size=self.batch_size,
            standardisation=standardisation_of(self.protocol),
            seed=int(np.random.SeedSequence((self.seed, run)).generate_state(1)[0]),
        )


@dataclass(frozen=True)
class EvaluationProgress:
    """How far an evaluation is.

    Attributes:
        run: 0-based run.
        runs: number of runs.
        passes_done: passes of this run that are done.
        passes: passes of each run.
        loss: mean training loss of the last pass.
        top1: scores of the finished runs, in percent.
    """

    run: int
    runs: int
    passes_done: int
    passes: int
    loss: float
    top1: tuple[float, ...]


class TrainingClips(ClipBatches, TypingProtocol):
    """Clips to train on that know their classes: `StoreClips` or `VideoClips`."""

    classes: list[str]


def evaluate(
    clips: TrainingClips,
    test: VideoDataset,
    settings: EvaluationSettings | None = None,
    *,
    on_progress: Callable[[EvaluationProgress], None] | None = None,
) -> EvaluationResult:
    """Trains networks from scratch on `clips` and tests them on real ones.

    The same settings, clips and machine give the same scores.

    Args:
        clips: `clips_of(path)` for a store, or `VideoClips(videos)` for the upper bound.
        test: the real test clips, of the same shape and, in any order, the same class names. If their starts
            are random, open them with `random_starts=settings.random_starts`: every run takes its own.
        settings: how; the paper's when None.
        on_progress: called after every pass; may raise to stop.

    Raises:
        SettingsError: the classes differ, the test clips have too few random starts, or clips are too small
            for the network.
        DivergedError: a training loss is no longer finite.
        OutOfMemoryError: the device is too small.
    """
    settings = settings or EvaluationSettings()
    _check_starts(test, settings)
    clips = _labelled_as(test.classes, clips)
    device = torch.device(settings.device)
    started = time.perf_counter()
    top1: list[float] = []
    top5: list[float] = []
    confusion = np.zeros((len(test.classes), len(test.classes)), dtype=np.int64)

    first = settings.training(0)

    def tell(number: int, loss: float) -> None:
        if on_progress is not None:
            on_progress(
                EvaluationProgress(len(top1), settings.runs, number + 1, first.passes, loss, tuple(top1))
            )

    for run in range(settings.runs):
        training = settings.training(run)
        shape = (len(clips.classes), test.num_frames, test.frame_shape[1])
        network = build_network(settings.model, *shape, seed=training.seed)
        with out_of_memory_named("use a smaller --batch-size, or --device cpu"):
            fast_order(network.to(device))
            train(network, clips, training, on_pass=tell)
            answers = answers_on(network, test, settings.protocol, seed=training.seed, run=run)
        top1.append(answers.top1)
        top5.append(answers.top5)
        confusion += answers.confusion
    return EvaluationResult(
        model=settings.model,
        protocol=settings.protocol,
        recipe=settings.recipe,
        labels=LABELS,
        epochs=first.epochs,
        passes=first.passes,
        lr=first.lr,
        num_train_clips=len(clips),
        test=EvaluatedOn.of(test),
        chance=100 * float(np.bincount(test.labels).max()) / len(test),
        num_classes=len(test.classes),
        top1=Score(tuple(top1)),
        top5=Score(tuple(top5)),
        classes=tuple(test.classes),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        elapsed_seconds=time.perf_counter() - started,
    )


def _check_starts(test: VideoDataset, settings: EvaluationSettings) -> None:
    """Raises SettingsError if there are too few random starts for every run to have its own."""
    can_have_starts = test.split == "test" and test.cache_path is not None and test.sampling.has_random_start
    found, needed = test.num_views - 1, settings.random_starts
    if can_have_starts and found < needed:
        raise SettingsError(
            f"protocol {settings.protocol} with runs={settings.runs} needs {needed} random starts of every "
            f"test clip, got {found}; open the clips with open_videos(..., random_starts={needed})"
        )


def _labelled_as(classes: list[str], clips: TrainingClips) -> TrainingClips:
    """Returns the clips with labels that index `classes`, matched by class name."""
    if clips.classes == classes:
        return clips
    if sorted(clips.classes) != sorted(classes):
        raise SettingsError(
            f"training and test clips must have the same classes, got {_shown(clips.classes)} "
            f"and {_shown(classes)}; choose them with --classes"
        )
    return _Relabelled(clips, classes)


class _Relabelled:
    """Clips relabelled for another order of the same class names."""

    def __init__(self, clips: TrainingClips, classes: list[str]) -> None:
        self._clips = clips
        self._labels = torch.tensor([classes.index(name) for name in clips.classes])
        self.classes = classes

    def __len__(self) -> int:
        return len(self._clips)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the same clips in the same order."""
        for clips, labels in self._clips.batches(batch_size, epoch, seed):
            yield clips, self._labels.to(labels.device)[labels]


def _shown(classes: list[str]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''})"
