"""Evaluates training clips: trains several networks from scratch and tests each on real clips."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol as TypingProtocol

import numpy as np
import torch
from torch import Tensor

from dfs_store.condense.runtime.device import resolve_device
from dfs_store.errors import SettingsError
from dfs_store.evaluate.result import EvaluatedOn, EvaluationResult, Score
from dfs_store.evaluate.testing import (
    PROTOCOLS,
    Answers,
    Protocol,
    answers_on,
    random_starts,
    standardisation_of,
)
from dfs_store.loaders.precision import full_float32
from dfs_store.names import counted, known_name
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

__all__ = ["EvaluationProgress", "EvaluationSettings", "evaluate", "labelled_as"]


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Settings of an evaluation. The defaults follow the paper.

    Attributes:
        model: name of the network, see `dfs_store.networks.NETWORKS`, or "module:Class".
        protocol: "paper" or "strict".
        recipe: training recipe, "paper" or "modern" (`dfs_store.networks.recipes`).
        runs: number of trainings, each with its own seed.
        epochs: number of passes over the clips. With the recipe "paper", this is the argument N of the public
            code, which makes N + 1 passes. If None, 500 (paper) or 300 (modern).
        lr: peak learning rate. If None, 0.01 (paper) or 0.001 (modern).
        batch_size: number of clips per training step.
        seed: base seed; run r is seeded with (seed, r).
        device: device to train on.
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
        known_name(self.protocol, PROTOCOLS, "--protocol")
        if self.runs < 1:
            raise SettingsError(f"--runs must be at least 1, got {self.runs}")
        self.training(0)

    @property
    def random_starts(self) -> int:
        """Number of random starts per test clip, to pass to `open_videos` as `random_starts`."""
        return random_starts(self.protocol, self.runs)

    def training(self, run: int) -> TrainingSettings:
        """Returns the training settings of a run. If `epochs` or `lr` is None, the recipe's value is used."""
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
    """Progress of an evaluation.

    Attributes:
        run: 0-based number of the run; runs on soft labels follow those on hard labels.
        runs: total number of runs.
        passes_done: number of finished passes in this run.
        passes: number of passes in each run.
        loss: mean training loss of the last pass.
        top1: top-1 accuracy, in percent, of each finished run with the same labels.
        labels: training labels of this run, "hard" or "soft".
    """

    run: int
    runs: int
    passes_done: int
    passes: int
    loss: float
    top1: tuple[float, ...]
    labels: str = "hard"


class TrainingBatches(ClipBatches, TypingProtocol):
    """Training clips in batches, with class names; implemented by `StoreClips` and `VideoClips`."""

    classes: list[str]


@full_float32()
def evaluate(
    clips: TrainingBatches | None,
    test: VideoDataset,
    settings: EvaluationSettings | None = None,
    *,
    soft: TrainingBatches | None = None,
    on_progress: Callable[[EvaluationProgress], None] | None = None,
) -> EvaluationResult:
    """Trains networks from scratch on `clips` and tests them on real clips.

    The same settings, clips and machine give the same scores.

    Args:
        clips: `clips_of(path)` for a store, or `VideoClips(videos)` for the upper bound. If None, only `soft`
            is used.
        test: the real test clips, with the same shape and the same class names in any order. Open them with
            `random_starts=settings.random_starts`, so that every run has its own random starts.
        settings: settings of the evaluation. Defaults to the paper's.
        soft: `clips_of(path, labels="soft")`, to train also on soft labels, with the same number of runs and
            the same seeds.
        on_progress: called after every pass; may raise an exception to stop the evaluation.

    Raises:
        SettingsError: there are no training clips, the classes differ, the test clips have too few random
            starts, or the clips are too small for the network.
        DivergedError: a training loss is not finite.
        OutOfMemoryError: the device ran out of memory.
    """
    settings = settings or EvaluationSettings()
    _check_starts(test, settings)
    sources = {
        kind: labelled_as(test.classes, source)
        for kind, source in (("hard", clips), ("soft", soft))
        if source is not None
    }
    if not sources:
        raise SettingsError("`clips` and `soft` are both None; pass at least one of them")
    first, started = settings.training(0), time.perf_counter()

    def tell(kind: str, top1: tuple[float, ...], number: int, loss: float) -> None:
        if on_progress is not None:
            run = len(top1) + (settings.runs if kind == "soft" and "hard" in sources else 0)
            runs = settings.runs * len(sources)
            on_progress(EvaluationProgress(run, runs, number + 1, first.passes, loss, top1, kind))

    answers = {
        kind: _answers(source, test, settings, partial(tell, kind)) for kind, source in sources.items()
    }
    main = next(iter(answers.values()))
    return EvaluationResult(
        model=settings.model,
        protocol=settings.protocol,
        recipe=settings.recipe,
        labels="both" if len(answers) > 1 else next(iter(answers)),
        epochs=first.epochs,
        passes=first.passes,
        lr=first.lr,
        num_train_clips=len(next(iter(sources.values()))),
        test=EvaluatedOn.of(test),
        chance=100 * float(np.bincount(test.labels).max()) / len(test),
        num_classes=len(test.classes),
        top1=_score(main, "top1"),
        top5=_score(main, "top5"),
        soft=None if soft is None else {name: _score(answers["soft"], name) for name in ("top1", "top5")},
        classes=tuple(test.classes),
        confusion=tuple(map(tuple, np.sum([each.confusion for each in main], axis=0).tolist())),
        threads=torch.get_num_threads(),
        elapsed_seconds=time.perf_counter() - started,
    )


def _answers(
    clips: TrainingBatches,
    test: VideoDataset,
    settings: EvaluationSettings,
    tell: Callable[[tuple[float, ...], int, float], None],
) -> list[Answers]:
    """Trains and tests the network of each run. `tell` receives the scores so far, the pass and its loss."""
    device, found = resolve_device(settings.device), list[Answers]()
    shape = (len(clips.classes), test.num_frames, test.frame_shape[1])
    for run in range(settings.runs):
        training = settings.training(run)
        network = build_network(settings.model, *shape, seed=training.seed)
        top1 = tuple(each.top1 for each in found)
        with out_of_memory_named("use a smaller --batch-size, or --device cpu"):
            fast_order(network.to(device))
            train(network, clips, training, on_pass=partial(tell, top1))
            found.append(answers_on(network, test, settings.protocol, seed=training.seed, run=run))
    return found


def _score(answers: list[Answers], name: str) -> Score:
    return Score(tuple(getattr(each, name) for each in answers))


def _check_starts(test: VideoDataset, settings: EvaluationSettings) -> None:
    can_have_starts = test.split == "test" and test.cache_path is not None and test.sampling.has_random_start
    found, needed = test.num_views - 1, settings.random_starts
    if can_have_starts and found < needed:
        raise SettingsError(
            f"protocol {settings.protocol} with runs={settings.runs} needs {needed} random starts per test "
            f"clip, got {found}; open the clips with open_videos(..., random_starts={needed})"
        )


def labelled_as(classes: list[str], clips: TrainingBatches) -> TrainingBatches:
    """Returns the clips with labels that index `classes`, matched by class name.

    Raises:
        SettingsError: the classes differ.
    """
    if clips.classes == classes:
        return clips
    if sorted(clips.classes) != sorted(classes):
        raise SettingsError(
            f"training and test clips must have the same classes, got {_shown(clips.classes)} "
            f"and {_shown(classes)}; select the same classes with --classes"
        )
    return _Relabelled(clips, classes)


class _Relabelled:
    """Clips with their labels converted to a different order of the same classes."""

    def __init__(self, clips: TrainingBatches, classes: list[str]) -> None:
        self._clips = clips
        self._labels = torch.tensor([classes.index(name) for name in clips.classes])
        self._columns = torch.tensor([clips.classes.index(name) for name in classes])
        self.classes = classes

    def __len__(self) -> int:
        return len(self._clips)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the same clips in the same order, with converted labels."""
        for clips, labels in self._clips.batches(batch_size, epoch, seed):
            if labels.is_floating_point():
                yield clips, labels[:, self._columns.to(labels.device)]
            else:
                yield clips, self._labels.to(labels.device)[labels]


def _shown(classes: list[str]) -> str:
    names = f"{', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''}"
    return f"{counted(len(classes), 'class')} ({names})"
