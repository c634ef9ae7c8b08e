"""Several trainings from scratch, each tested on real clips."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as TypingProtocol

import numpy as np
import torch

from dfs_store.errors import SettingsError
from dfs_store.evaluate.result import EvaluationResult, Score
from dfs_store.evaluate.testing import PROTOCOLS, Protocol, answers_on, standardisation_of
from dfs_store.names import known_name
from dfs_store.networks import (
    ClipSource,
    TrainingSettings,
    build_network,
    check_network_name,
    fast_order,
    train,
)
from dfs_store.networks.out_of_memory import out_of_memory_named
from dfs_store.videos import VideoDataset

__all__ = ["EvaluationProgress", "EvaluationSettings", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How a store is scored; the defaults are those of the paper.

    Attributes:
        model: name of the network, see `dfs_store.networks.NETWORKS`; or "module:Class".
        protocol: "paper" or "strict".
        runs: trainings, each with its own seed.
        epochs: of each training.
        lr: learning rate at the start.
        batch_size: clips per training step.
        seed: of the first run's numbers; run r draws from (seed, r).
        device: where to train.
    """

    model: str = "convnet3d"
    protocol: Protocol = "paper"
    runs: int = 3
    epochs: int = 500
    lr: float = 0.01
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

    def training(self, run: int) -> TrainingSettings:
        """Returns the settings of one training."""
        return TrainingSettings(
            epochs=self.epochs,
            lr=self.lr,
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
        epoch: epochs of this run that are done.
        epochs: epochs of each run.
        loss: mean training loss of the last epoch.
        top1: scores of the finished runs, in percent.
    """

    run: int
    runs: int
    epoch: int
    epochs: int
    loss: float
    top1: tuple[float, ...]


class TrainingClips(ClipSource, TypingProtocol):
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
        test: the real test clips, of the same classes and shape.
        settings: how; the paper's when None.
        on_progress: called after every epoch and every test; may raise to stop.

    Raises:
        SettingsError: the classes differ, or clips are too small for the network.
        DivergedError: a training loss is no longer finite.
        OutOfMemoryError: the device is too small.
    """
    settings = settings or EvaluationSettings()
    if clips.classes != list(test.classes):
        raise SettingsError(
            f"training and test clips must have the same classes, got {_shown(clips.classes)} "
            f"and {_shown(test.classes)}; choose them with --classes"
        )
    device = torch.device(settings.device)
    top1: list[float] = []
    top5: list[float] = []
    confusion = np.zeros((len(test.classes), len(test.classes)), dtype=np.int64)

    def tell(epoch: int, loss: float) -> None:
        if on_progress is not None:
            on_progress(
                EvaluationProgress(len(top1), settings.runs, epoch, settings.epochs, loss, tuple(top1))
            )

    for run in range(settings.runs):
        training = settings.training(run)
        shape = (len(clips.classes), test.num_frames, test.frame_shape[1])
        network = build_network(settings.model, *shape, seed=training.seed)
        with out_of_memory_named("use a smaller --batch-size, or --device cpu"):
            fast_order(network.to(device))
            train(network, clips, training, on_epoch=lambda epoch, loss: tell(epoch + 1, loss))
            answers = answers_on(network, test, settings.protocol, seed=training.seed)
        top1.append(answers.top1)
        top5.append(answers.top5)
        confusion += answers.confusion
    return EvaluationResult(
        model=settings.model,
        protocol=settings.protocol,
        epochs=settings.epochs,
        lr=settings.lr,
        num_train_clips=len(clips),
        num_test_clips=len(test),
        num_classes=len(test.classes),
        top1=Score(tuple(top1)),
        top5=Score(tuple(top5)),
        classes=tuple(test.classes),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _shown(classes: list[str]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''})"
