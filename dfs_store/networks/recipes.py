"""Recipes for training networks from scratch: optimiser, learning rate schedule and augmentation."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfs_store.names import known_name

__all__ = ["MODERN", "PAPER", "RECIPES", "Recipe", "cropped_and_flipped", "recipe_named"]

_FLIP_PROBABILITY = 0.5
_PADDING_SHARE = 8  # clips are padded by an eighth of their height and width
_WARMUP_SHARE = 20  # the first twentieth of the steps is warm-up

Optimizer = torch.optim.Optimizer


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe for training networks from scratch.

    Attributes:
        name: name on the command line.
        epochs: default of --epochs.
        lr: default of --lr.
        fewest_epochs: smallest value of --epochs.
        extra_passes: number of passes over the clips in addition to `epochs`.
        optimizer: maps the parameters of a network and a learning rate to an optimiser.
        restarts: returns whether a pass starts with a new optimiser, which has no momentum, given the 0-based
            number of the pass and `epochs`.
        rate: returns the factor by which to multiply the learning rate, given the 0-based number of the step,
            the steps per pass and `epochs`.
        augments: whether training clips are cropped and flipped at random (`cropped_and_flipped`).
    """

    name: str
    epochs: int
    lr: float
    fewest_epochs: int
    extra_passes: int
    optimizer: Callable[[Iterable[nn.Parameter], float], Optimizer]
    restarts: Callable[[int, int], bool]
    rate: Callable[[int, int, int], float]
    augments: bool


def _sgd(parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    return torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=5e-4)


def _adamw(parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    return torch.optim.AdamW(parameters, lr, weight_decay=0.05)


def _first_slow_pass(epochs: int) -> int:
    # The public code lowers the rate after the pass with the 0-based number epochs // 2 + 1.
    return epochs // 2 + 2


def _paper_rate(step: int, steps_per_pass: int, epochs: int) -> float:
    return 1.0 if step // steps_per_pass < _first_slow_pass(epochs) else 0.1


def _modern_rate(step: int, steps_per_pass: int, epochs: int) -> float:
    steps = steps_per_pass * epochs
    warmup = steps // _WARMUP_SHARE
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


# The public code loops over range(epochs + 1) and creates a new SGD optimiser with a tenth of the learning
# rate for the second half.
PAPER = Recipe(
    name="paper",
    epochs=500,
    lr=0.01,
    fewest_epochs=0,
    extra_passes=1,
    optimizer=_sgd,
    restarts=lambda number, epochs: number == _first_slow_pass(epochs),
    rate=_paper_rate,
    augments=False,
)
# The usual schedule of current image models: a linear warm-up, then a cosine decay to zero.
MODERN = Recipe(
    name="modern",
    epochs=300,
    lr=0.001,
    fewest_epochs=1,
    extra_passes=0,
    optimizer=_adamw,
    restarts=lambda number, epochs: False,
    rate=_modern_rate,
    augments=True,
)
RECIPES = {recipe.name: recipe for recipe in (PAPER, MODERN)}


def recipe_named(name: str) -> Recipe:
    """Returns the recipe with the given name. Raises SettingsError if there is none."""
    return RECIPES[known_name(name, RECIPES, "--recipe")]


def cropped_and_flipped(clips: Tensor, generator: np.random.Generator) -> Tensor:
    """Pads each clip with zeros by an eighth of its size, crops it at random, and flips half of the clips.

    All frames of a clip are cropped and flipped in the same way.

    Args:
        clips: the clips, (N, T, C, H, W).
        generator: random number generator for the crops and flips.

    Returns:
        New clips of the same shape.
    """
    height, width = clips.shape[-2:]
    margin_y, margin_x = height // _PADDING_SHARE, width // _PADDING_SHARE
    most = np.array([margin_y, margin_x])
    moves = generator.integers(-most, most + 1, size=(len(clips), 2)).tolist()
    flips = (generator.random(len(clips)) < _FLIP_PROBABILITY).tolist()
    out = torch.empty_like(clips)
    for number, ((down, right), flipped) in enumerate(zip(moves, flips, strict=True)):
        clip = clips[number].flip(-1) if flipped else clips[number]
        padded = F.pad(clip, (margin_x, margin_x, margin_y, margin_y))
        top, left = margin_y - down, margin_x - right
        out[number] = padded[..., top : top + height, left : left + width]
    return out
