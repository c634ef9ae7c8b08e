"""Trains a network from scratch on any source of clips, according to a recipe."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfs_store.errors import DivergedError, SettingsError
from dfs_store.names import counted
from dfs_store.networks.recipes import PAPER, Recipe, cropped_and_flipped
from dfs_store.networks.seeding import seeded

__all__ = ["ClipBatches", "Standardisation", "TrainingSettings", "standardised", "train"]

Standardisation = Literal["batch", "clip"]
_AUGMENTATION = 1  # identifies the generator of random crops and flips


class ClipBatches(Protocol):
    """A source of labelled clips in batches."""

    def __len__(self) -> int:
        """Number of clips."""

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields every clip once in an order that depends on (seed, epoch).

        Yields:
            Clips (N, T, C, H, W) float32, and labels (N,) int64 or soft labels (N, classes) float32 (logits
            of a teacher), on the training device.
        """


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Training settings. The defaults are those of the paper's evaluation.

    Attributes:
        recipe: optimiser, learning rate schedule and augmentation (`RECIPES`).
        epochs: number of passes over the clips. The paper's recipe makes one more, because its public code
            loops over `range(epochs + 1)`.
        lr: peak learning rate. The paper's recipe uses it in passes 1 to `epochs // 2 + 2`, and then a tenth
            of it with a new optimiser, so that the momentum starts from zero.
        batch_size: number of clips per step.
        standardisation: "batch" standardises each batch with its scalar mean and standard deviation. "clip"
            standardises each clip individually, so that a clip does not depend on the rest of its batch.
        seed: random seed for the order of clips, augmentation and dropout.
    """

    recipe: Recipe = PAPER
    epochs: int = PAPER.epochs
    lr: float = PAPER.lr
    batch_size: int = 256
    standardisation: Standardisation = "batch"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, fewest in (("epochs", self.recipe.fewest_epochs), ("batch_size", 1)):
            if getattr(self, name) < fewest:
                raise SettingsError(f"{name} must be at least {fewest}, got {getattr(self, name)}")
        if not 0 < self.lr < float("inf"):
            raise SettingsError(f"lr must be a positive number, got {self.lr}")

    @property
    def passes(self) -> int:
        """Number of passes over the clips."""
        return self.epochs + self.recipe.extra_passes

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as a JSON object that contains the name of the recipe."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"recipe": self.recipe.name}


def standardised(clips: Tensor, how: Standardisation) -> Tensor:
    """Subtracts the scalar mean and divides by the scalar standard deviation of the batch or of each clip.

    Args:
        clips: the clips, (N, T, C, H, W).
        how: the unit over which to compute the statistics, "batch" or "clip".

    Returns:
        Clips of the same shape; zeros if the batch or clip is constant.
    """
    over = tuple(range(0 if how == "batch" else 1, clips.ndim))
    std, mean = torch.std_mean(clips, dim=over, keepdim=True)
    return (clips - mean) / torch.where(std > 0, std, torch.ones_like(std))


def train(
    network: nn.Module,
    source: ClipBatches,
    settings: TrainingSettings,
    *,
    on_pass: Callable[[int, float], None] | None = None,
) -> None:
    """Trains a network in place, with cross-entropy for labels or KL divergence for soft labels.

    Training starts from the current parameters. On one machine, the same seed produces the same result.

    Args:
        network: maps clips (N, T, C, H, W) to logits.
        source: the training clips.
        settings: the training settings.
        on_pass: called after every pass with its 0-based number and mean loss; may raise an exception to
            stop.

    Raises:
        DivergedError: the loss is not finite.
        SettingsError: a normalisation layer of the network has only one value per channel.
    """
    recipe = settings.recipe
    optimizer = recipe.optimizer(network.parameters(), settings.lr)
    device = next(network.parameters()).device
    with seeded(settings.seed, device):  # dropout draws from torch's global generators
        network.train()
        for number in range(settings.passes):
            if recipe.restarts(number, settings.epochs):
                optimizer = recipe.optimizer(network.parameters(), settings.lr)
            loss = _pass(network, source, settings, optimizer, number)
            if on_pass is not None:
                on_pass(number, loss)


def _pass(
    network: nn.Module,
    source: ClipBatches,
    settings: TrainingSettings,
    optimizer: torch.optim.Optimizer,
    number: int,
) -> float:
    total, count, recipe = 0.0, 0, settings.recipe
    steps_per_pass = -(-len(source) // settings.batch_size)
    generator = np.random.default_rng((settings.seed, number, _AUGMENTATION))
    for step, (clips, labels) in enumerate(source.batches(settings.batch_size, number, settings.seed)):
        rate = recipe.rate(number * steps_per_pass + step, steps_per_pass, settings.epochs)
        optimizer.param_groups[0]["lr"] = settings.lr * rate
        shown = cropped_and_flipped(clips, generator) if recipe.augments else clips
        loss = _loss(_logits(network, standardised(shown, settings.standardisation)), labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(
                f"the training loss is {value} in pass {number + 1} of {settings.passes} at learning rate "
                f"{optimizer.param_groups[0]['lr']:g}; try a smaller --lr"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total, count = total + value * len(labels), count + len(labels)
    return total / max(count, 1)


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    if not labels.is_floating_point():
        return F.cross_entropy(logits, labels)
    # The KL divergence from the teacher's output, at temperature 1.
    targets = F.log_softmax(labels, dim=1)
    return F.kl_div(F.log_softmax(logits, dim=1), targets, reduction="batchmean", log_target=True)


def _logits(network: nn.Module, clips: Tensor) -> Tensor:
    try:
        logits: Tensor = network(clips)
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise SettingsError(
            f"a normalisation layer of the network needs more than one value per channel, but has only one "
            f"for a batch of {counted(len(clips), 'clip')} with shape {tuple(clips.shape[1:])}; use a "
            "different --batch-size or larger clips"
        ) from error
    return logits
