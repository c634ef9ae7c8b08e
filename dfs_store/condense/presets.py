"""Presets: a method's default settings by dataset and vpc."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

__all__ = ["PRESET_SETTINGS", "Preset", "row_at", "short_run"]

Row = TypeVar("Row")

# Runs on these datasets take minutes on two cores without a GPU.
_BUILT_IN = ("moving-shapes", "stick-figures")


@dataclass(frozen=True)
class Preset:
    """The preset of a method for a dataset and vpc.

    Attributes:
        lr: learning rate of the key frames.
        iterations: number of steps.
        batch_real: real clips per class in each step.
        momentum: momentum of SGD.
        init: "noise", "real", "herding" or "pack".
        insertion: whether dfs inserts key frames.
        encoding: encoding of the stored key frames; None stores them as numbers.
        static_iterations, static_lr, integrator_lr: settings of static-dynamic.
        origin: source of the values, shown to the user.
    """

    lr: float
    iterations: int = 5000
    batch_real: int = 64
    momentum: float = 0.95
    init: str = "noise"
    insertion: bool = True
    encoding: str | None = None
    static_iterations: int = 1000
    static_lr: float = 0.1
    integrator_lr: float = 1e-5
    origin: str = "Table A"


PRESET_SETTINGS = tuple(field.name for field in fields(Preset) if field.name not in ("encoding", "origin"))


def row_at(rows: Mapping[int, Row], vpc: int) -> Row:
    """Returns the row with the largest vpc not above the given one. There must be a row for vpc 1."""
    return rows[max(v for v in rows if v <= vpc)]


def short_run(dataset: str) -> dict[str, Any]:
    """Returns settings that shorten a run of any method on a built-in dataset; empty for other datasets."""
    return {"iterations": 200, "batch_real": 8} if dataset in _BUILT_IN else {}
