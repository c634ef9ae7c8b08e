"""Training a network from scratch on any source of clips, as the public code of the baseline does it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfs_store.errors import DivergedError, SettingsError

__all__ = ["ClipBatches", "Standardisation", "TrainingSettings", "standardised", "train"]

Standardisation = Literal["batch", "clip"]


class ClipBatches(Protocol):
    """Anything that gives labelled clips in batches."""

    def __len__(self) -> int:
        """Number of clips."""

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields every clip once in an order that depends on (seed, epoch).

        Yields:
            Clips (N, T, C, H, W) float32 and labels (N,) int64, on the device of the training.
        """


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained; the defaults are those of the paper's evaluation.

    Attributes:
        epochs: the published argument N, 0 or more. The public code loops over `range(N + 1)`, so there are
            N + 1 passes over the clips.
        lr: learning rate of SGD in the passes 1 to N // 2 + 2. The other passes take a tenth of it and a new
            optimiser, so momentum starts again from zero.
        momentum: of SGD.
        weight_decay: of SGD.
        batch_size: clips per step.
        standardisation: "batch": each batch by its own scalar mean and standard deviation. "clip": each
            clip by its own, so that its values do not depend on the other clips of its batch.
        seed: of the initial parameters, the order of clips and dropout.
    """

    epochs: int = 500
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 256
    standardisation: Standardisation = "batch"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise SettingsError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.lr < float("inf"):
            raise SettingsError(f"lr must be a positive number, got {self.lr}")

    @property
    def passes(self) -> int:
        """Number of passes over the clips."""
        return self.epochs + 1

    @property
    def first_slow_pass(self) -> int:
        """0-based number of the first pass at a tenth of `lr`; not reached if `epochs` is below 3."""
        return self.epochs // 2 + 2

    def optimizer(self, network: nn.Module, lr: float) -> torch.optim.SGD:
        """Returns a new SGD, without any momentum yet."""
        return torch.optim.SGD(
            network.parameters(), lr, momentum=self.momentum, weight_decay=self.weight_decay
        )


def standardised(clips: Tensor, how: Standardisation) -> Tensor:
    """Subtracts the scalar mean and divides by the scalar standard deviation, of the batch or of each clip.

    Args:
        clips: (N, T, C, H, W).
        how: "batch" or "clip".

    Returns:
        The same shape. A constant batch or clip becomes zero.
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
    """Trains a network in place: cross-entropy, SGD, a tenth of the learning rate in the second half.

    The same seed gives equal parameters on one machine. Training starts from the network's current
    parameters; draw them with `reset` first.

    Args:
        network: maps clips (N, T, C, H, W) to logits.
        source: the training clips.
        settings: how.
        on_pass: called after every pass with its 0-based number and mean loss; may raise to stop.

    Raises:
        DivergedError: the loss is no longer finite.
        SettingsError: the network normalises over a batch in which it has a single value.
    """
    optimizer = settings.optimizer(network, settings.lr)
    device = next(network.parameters()).device
    devices = [device] if device.type == "cuda" else []
    # Dropout draws from torch's global generators: borrow them, seeded, and give them back as they were.
    with torch.random.fork_rng(devices):
        torch.manual_seed(settings.seed)
        network.train()
        for number in range(settings.passes):
            if number == settings.first_slow_pass:
                optimizer = settings.optimizer(network, settings.lr * 0.1)
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
    total, count = 0.0, 0
    for clips, labels in source.batches(settings.batch_size, number, settings.seed):
        loss = F.cross_entropy(_logits(network, standardised(clips, settings.standardisation)), labels)
        value = float(loss.detach())
        if value != value or value == float("inf"):
            raise DivergedError(
                f"the training loss is {value} in pass {number + 1} of {settings.passes} at learning rate "
                f"{optimizer.param_groups[0]['lr']:g}; try a smaller --lr"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total, count = total + value * len(labels), count + len(labels)
    return total / max(count, 1)


def _logits(network: nn.Module, clips: Tensor) -> Tensor:
    try:
        logits: Tensor = network(clips)
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise SettingsError(
            f"a batch of {len(clips)} clips of {tuple(clips.shape[1:])} leaves a normalisation layer of the "
            "network one value per channel, and it needs more; use another --batch-size, or larger clips"
        ) from error
    return logits
