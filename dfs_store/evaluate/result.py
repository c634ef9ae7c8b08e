"""The result of an evaluation."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dfs_store.videos import VideoDataset

__all__ = ["EvaluatedOn", "EvaluationResult", "Score", "accuracy_text"]


@dataclass(frozen=True)
class Score:
    """One accuracy metric over several runs.

    Attributes:
        runs: accuracy of each run in percent.
    """

    runs: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the runs, in percent."""
        return float(np.mean(self.runs))

    @property
    def std(self) -> float:
        """Population standard deviation over the runs (`ddof=0`, as in the public code), in percent."""
        return float(np.std(self.runs))

    def to_json(self) -> dict[str, Any]:
        """Returns mean, std and runs."""
        return {"mean": self.mean, "std": self.std, "runs": list(self.runs)}

    def __str__(self) -> str:
        return f"{accuracy_text(self.mean, self.std, len(self.runs))} %"


def accuracy_text(mean: float, std: float, runs: int) -> str:
    """Formats a mean in percent, with its standard deviation if there is more than one run."""
    return f"{mean:.1f}" if runs == 1 else f"{mean:.1f} ± {std:.1f}"


@dataclass(frozen=True, kw_only=True)
class EvaluatedOn:
    """The real clips that a network was tested on.

    Attributes:
        dataset: name or folder of the dataset.
        split: number of the official split; None if the dataset has only one.
        hold_out: share of the training clips that was held out for testing; None for the test clips.
        frames, stride, size: sampling of the clips; `stride` is None if it depends on the video's length.
        num_clips: number of clips.
        split_declared: whether the user specified the split because the store does not record it.
    """

    dataset: str
    split: int | None
    hold_out: float | None
    frames: int
    stride: int | None
    size: int
    num_clips: int
    split_declared: bool = False

    @classmethod
    def of(cls, videos: "VideoDataset") -> "EvaluatedOn":
        """Returns a description of a dataset's clips."""
        return cls(
            dataset=videos.name,
            split=videos.official_split,
            hold_out=videos.held_out,
            frames=videos.num_frames,
            stride=videos.sampling.stride,
            size=videos.frame_shape[1],
            num_clips=len(videos),
        )


@dataclass(frozen=True)
class EvaluationResult:
    """Accuracies on real test clips after training from scratch.

    Attributes:
        model: name of the network.
        protocol: "paper" or "strict".
        recipe: training recipe, "paper" or "modern".
        labels: training labels: "hard" (one class per clip), "soft" (a teacher's logits), or "both" (the same
            number of runs with each).
        epochs: see `EvaluationSettings`.
        passes: number of passes over the training clips; `epochs + 1` with the recipe "paper".
        lr: peak learning rate.
        num_train_clips: number of training clips.
        test: the test clips.
        chance: top-1 accuracy of always predicting the most frequent class of the test clips, in percent.
        elapsed_seconds: duration of training and testing.
        num_classes: number of classes; top-5 is always 100 if there are five or fewer.
        top1, top5: top-1 and top-5 accuracy; with hard labels if `labels` is "both".
        soft: top-1 and top-5 accuracy with soft labels; None if only hard labels were used.
        classes: class names.
        confusion: number of test clips by true class (row) and predicted class (column), summed over all
            runs and passes; with hard labels if `labels` is "both".
        threads: number of torch threads, which affects rounding on a CPU and therefore the scores.
    """

    model: str
    protocol: str
    recipe: str
    labels: str
    epochs: int
    passes: int
    lr: float
    num_train_clips: int
    test: EvaluatedOn
    chance: float
    num_classes: int
    top1: Score
    top5: Score
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    threads: int
    soft: dict[str, Score] | None = None
    elapsed_seconds: float = field(compare=False, default=0.0)

    @property
    def per_class(self) -> dict[str, float]:
        """Accuracy of each class in percent, the mean over the runs."""
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
            "recipe": self.recipe,
            "labels": self.labels,
            "runs": len(self.top1.runs),
            "epochs": self.epochs,
            "passes": self.passes,
            "lr": self.lr,
            "num_train_clips": self.num_train_clips,
            "test": asdict(self.test),
            "chance": self.chance,
            "num_classes": self.num_classes,
            "top1": self.top1.to_json(),
            "top5": self.top5.to_json(),
            **({} if self.soft is None else {"soft": {name: s.to_json() for name, s in self.soft.items()}}),
            "per_class": self.per_class,
            "class_names": list(self.classes),
            "confusion": [list(row) for row in self.confusion],
            "threads": self.threads,
            "elapsed_seconds": round(self.elapsed_seconds, 3),
        }
