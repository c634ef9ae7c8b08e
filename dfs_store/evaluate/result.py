"""What an evaluation found."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dfs_store.videos import VideoDataset

__all__ = ["EvaluatedOn", "EvaluationResult", "Score", "accuracy_text"]


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
        return f"{accuracy_text(self.mean, self.std, len(self.runs))} %"


def accuracy_text(mean: float, std: float, runs: int) -> str:
    """Formats a mean in percent with its standard deviation, or alone if there is a single run."""
    return f"{mean:.1f}" if runs == 1 else f"{mean:.1f} ± {std:.1f}"


@dataclass(frozen=True, kw_only=True)
class EvaluatedOn:
    """The real clips that a network was tested on.

    Attributes:
        dataset: its name, or the folder.
        split: number of the official split; None if the dataset has a single one.
        hold_out: the share of the training clips that was held out to test on; None for the test clips.
        frames, stride, size: how clips were cut; `stride` is None if the video's length decides.
        num_clips: number of clips.
        split_declared: whether the user gave the split because the store does not record its own.
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
        """Describes the clips of a dataset."""
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
        recipe: how networks were trained, "paper" or "modern".
        labels: what networks were trained on: "hard", one class per clip; "soft", a teacher's logits; or
            "both", each in as many runs.
        epochs: as in `EvaluationSettings`.
        passes: passes over the training clips; with recipe "paper" `epochs + 1`.
        lr: learning rate at the start.
        num_train_clips: clips trained on.
        test: the clips tested on.
        chance: top-1 of always answering the most frequent class of the test clips, in percent.
        elapsed_seconds: of all trainings and tests.
        num_classes: classes; top-5 says nothing with five or fewer.
        top1, top5: the scores; with `labels` "both" those of hard labels.
        soft: top1 and top5 of soft labels; None with hard labels alone.
        classes: class names.
        confusion: how often test clips of the class of a row were given the class of a column, summed over
            the runs and their passes; with `labels` "both" of those on hard labels.
        threads: of torch, on which the last bits of sums on a CPU depend, and with them the scores.
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
