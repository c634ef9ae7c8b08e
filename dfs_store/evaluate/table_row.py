"""A row in a table of results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["TableRow"]


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One or more evaluations that differ only in their seeds, averaged over the seeds.

    Attributes:
        dataset: name of the dataset.
        method: name of the method, or "whole".
        vpc: videos per class, or "all"; None for `whole`.
        label: method or control, with the settings that distinguish the row from other rows.
        control: name of the control, for example "equal-clips"; None for a method.
        settings: condensation settings, without the seed.
        seeds: number of condensations.
        by_seed: accuracy in percent by condensation seed; empty if the seed is not recorded.
        over_random: mean gain over random real clips with the same vpc, all frames and the same evaluation,
            over the common seeds, in percentage points; None if there are no such clips.
        over_random_interval: half-width of the 95 % confidence interval of `over_random` (Student's t, paired
            over seeds); None for fewer than two seeds.
        key_frames_per_class: stored key frames per class; None for `whole` and native arrays.
        cost_seconds, cost_device, cost_clip_passes: duration and device of the condensation, and the number
            of clips passed through a network; None if unknown.
        num_train_clips: number of training clips.
        title_epochs: number of epochs in the comparison, which can differ from a control's number of epochs.
        dtype: dtype of the key frames; None for `whole` and native arrays.
        model, protocol, recipe, runs: settings of the evaluation.
        labels: "hard" or "soft".
        epochs: number of epochs as published; the paper's recipe makes one more pass.
        passes: number of passes over the training clips.
        split: official split; None if the dataset has only one.
        split_declared: whether the user specified the split because the store does not record it.
        hold_out: share of the training clips used for testing; None for the test clips.
        frames, stride, size: sampling of the test clips.
        num_test_clips: number of test clips.
        num_classes: number of classes.
        chance: top-1 accuracy of always predicting the most frequent class, in percent.
        elapsed_seconds: duration of the evaluation.
        metric: "top1" or "top5", the metric that the paper reports for the dataset.
        mean, std: mean and standard deviation of the metric over the runs, in percent. If there are several
            seeds, both are taken over the seeds, and `std` is the sample standard deviation.
        paper, paper_spread: the paper's mean and spread in percent if the evaluation matches the paper's: all
            classes, the test clips of split 1 (at least 19,500 for Kinetics-400), the same sampling, protocol
            "paper", at least 3 runs of 500 epochs (501 passes), the same learning rate and batch size;
            otherwise None.
        paper_mebibytes: size of the store in MiB as printed in the paper.
        mebibytes: size in MiB of the key frames as float32 (the paper's rule), or of the native arrays.
        stored_mebibytes: size in MiB of the key frames and index as stored, or of the native arrays.
        on_disk_mebibytes: size in MiB of all files of the store.
        percent_of_dense: `stored_mebibytes` as a percentage of the same clips with all frames as float32.
        percent_of_dataset: `on_disk_mebibytes` as a percentage of the training videos, as in the paper.
        file: path of the result.
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
    key_frames_per_class: float | None = None
    cost_seconds: float | None
    cost_device: str | None
    cost_clip_passes: int | None
    num_train_clips: int | None
    title_epochs: int
    dtype: str | None = None
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
    mebibytes: float | None = None
    stored_mebibytes: float | None = None
    on_disk_mebibytes: float | None = None
    percent_of_dense: float | None = None
    percent_of_dataset: float | None = None
    file: str
