"""One row of a table of results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["TableRow"]


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One or several evaluations that differ in their seeds alone; figures are means over the seeds.

    Attributes:
        label: the method, what kind of control it is, and the settings that tell it from other rows.
        control: which control of a comparison it is ("equal-clips" ...); None for a method.
        settings: of the condensation, without the seed.
        seeds: how many condensations the row is of.
        by_seed: percent by seed of the condensation; empty if the seed is not recorded.
        over_random: by how many points it is better than random real clips of the same vpc with all frames,
            evaluated alike: the mean over the seeds that both have. None without such clips.
        over_random_interval: half the width of the 95 % interval of that mean (Student's t, paired over
            seeds); None below two seeds.
        key_frames_per_class: stored key frames per class; None for `whole` and native arrays.
        cost_seconds, cost_device, cost_clip_passes: of making the store: time, device, and clips that went
            through a network; None if unknown.
        num_train_clips: clips trained on.
        title_epochs: the epochs of the comparison that a row with other epochs belongs to.
        dataset, method, vpc, dtype: what was condensed, and how; vpc may be "all". vpc and dtype are None for
            `whole`, dtype also for native arrays.
        model, protocol, recipe, labels, epochs, passes, runs: how it was evaluated; labels are "hard" or
            "soft", and `epochs` is the published argument, which makes one pass more.
        split: official split; None if the dataset has a single one.
        split_declared: whether the user gave the split because the store does not record its own.
        hold_out: the share of the training clips that was held out to test on; None for the test clips.
        frames, stride, size: of the clips tested on.
        num_test_clips: their number.
        metric: "top1" or "top5", what the paper reports for the dataset.
        mean, std: of the metric, in percent, over the runs; of several seeds over the seeds, whose standard
            deviation is that of a sample (divided by their number less one).
        num_classes: classes told apart.
        chance: top-1 of always answering the most frequent class, in percent.
        elapsed_seconds: of the evaluation.
        paper, paper_spread: the paper's figure in percent, for what was evaluated as there: all classes, the
            test clips of split 1 (at least 95 % of them), cut as there, protocol "paper", at least 3 runs of
            at least 500 epochs (501 passes), the published learning rate and batch size; else None.
        paper_mebibytes: the paper's storage.
        mebibytes: key frames as float32, the paper's rule; of a method that is not made of key frames, its
            native arrays.
        stored_mebibytes: key frames and index as they are stored; or native arrays.
        on_disk_mebibytes: all files of the store.
        percent_of_dense: stored, in percent of the same clips with all frames as float32.
        percent_of_dataset: on disk, in percent of the training videos on disk (the paper's percentage).
        file: the result this row was read from.
    """

    dataset: str
    method: str
    vpc: int | str | None
    label: str
    control: str | None
    settings: Mapping[str, Any] = field(compare=False)
    seeds: int = 1
    by_seed: Mapping[int, float] = field(default_factory=dict)
    over_random: float | None = None
    over_random_interval: float | None = None
    key_frames_per_class: float | None
    cost_seconds: float | None
    cost_device: str | None
    cost_clip_passes: int | None
    num_train_clips: int | None
    title_epochs: int
    dtype: str | None
    model: str
    protocol: str
    recipe: str
    labels: str
    epochs: int
    passes: int
    runs: int
    split: int | None
    split_declared: bool
    hold_out: float | None
    frames: int
    stride: int | None
    size: int
    num_test_clips: int
    num_classes: int
    chance: float
    elapsed_seconds: float
    metric: str
    mean: float
    std: float
    paper: float | None
    paper_spread: float | None
    paper_mebibytes: float | None
    mebibytes: float | None
    stored_mebibytes: float | None
    on_disk_mebibytes: float | None
    percent_of_dense: float | None
    percent_of_dataset: float | None
    file: str
