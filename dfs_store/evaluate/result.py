"""What an evaluation found."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["EvaluationResult", "Score"]


@dataclass(frozen=True)
class Score:
    """One kind of accuracy over several runs.

    Attributes:
        runs: percent, one per run.
    """

    runs: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the runs, in percent."""
        return float(np.mean(self.runs))

    @property
    def std(self) -> float:
        """Standard deviation over the runs as the public code takes it (divided by the number of runs)."""
        return float(np.std(self.runs))

    def to_json(self) -> dict[str, Any]:
        """Returns mean, std and runs."""
        return {"mean": self.mean, "std": self.std, "runs": list(self.runs)}

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.std:.1f} %"


@dataclass(frozen=True)
class EvaluationResult:
    """Accuracies on real test clips after training from scratch.

    Attributes:
        model: name of the network.
        protocol: "paper" or "strict".
        epochs: of each training.
        lr: learning rate at the start.
        num_train_clips: clips trained on.
        num_test_clips: clips tested on.
        num_classes: classes; top-5 says nothing with five or fewer.
        top1, top5: the scores.
        classes: class names.
        confusion: how often test clips of the class of a row were given the class of a column, summed over
            the runs and their passes.
    """

    model: str
    protocol: str
    epochs: int
    lr: float
    num_train_clips: int
    num_test_clips: int
    num_classes: int
    top1: Score
    top5: Score
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def per_class(self) -> dict[str, float]:
        """Percent of right answers by class name, the mean over the runs."""
        return {
            name: 100 * row[label] / sum(row)
            for label, (name, row) in enumerate(zip(self.classes, self.confusion, strict=True))
            if sum(row)
        }

    def to_json(self) -> dict[str, Any]:
        """Returns the result as a JSON object."""
        return {
            "model": self.model,
            "protocol": self.protocol,
            "runs": len(self.top1.runs),
            "epochs": self.epochs,
            "lr": self.lr,
            "num_train_clips": self.num_train_clips,
            "num_test_clips": self.num_test_clips,
            "num_classes": self.num_classes,
            "top1": self.top1.to_json(),
            "top5": self.top5.to_json(),
            "per_class": self.per_class,
            "class_names": list(self.classes),
            "confusion": [list(row) for row in self.confusion],
        }
