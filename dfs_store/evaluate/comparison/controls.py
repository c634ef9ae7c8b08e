"""Adds control rows to a comparison: baselines that a method should beat at equal cost.

`fixed_rows` are known in advance, whereas `derived_rows` depend on the number of key frames and the size of
the methods' stores.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dfs_store.condense.methods import method_named
from dfs_store.condense.training_clips import TrainingClips
from dfs_store.evaluate.comparison.rows import Row, evaluation_of
from dfs_store.evaluate.comparison.spec import Comparison
from dfs_store.evaluate.record import TRIAL, WHOLE

if TYPE_CHECKING:
    from dfs_store.evaluate.comparison.run import CellEnded

__all__ = ["derived_rows", "equal_frames_splits", "fixed_rows"]

RANDOM = "random"
_CODED = "webp:10"  # the lowest quality at which real clips keep their score
_CODED_KEY_FRAMES = (2, 4)
_TRIAL_HOLD_OUT = 0.2
_TRIAL_CLIPS = 0.6  # share of the smallest class used; holding out whole groups can remove over 0.2


class Trials(Protocol):
    """Makes and scores stores that are used only to choose a control."""

    def score(self, row: Row) -> float | None:
        """Returns the top-1 accuracy in percent of a row with the first seed, or None if the cell fails."""

    def on_disk_bytes(self, row: Row) -> int | None:
        """Returns the size in bytes of a row's store with the first seed, or None if the cell fails."""


def fixed_rows(asked: Comparison, rows: Sequence[Row], clips: TrainingClips) -> list[Row]:
    """Returns the controls that do not depend on the methods' stores.

    These are the same number of random clips, all real clips with the same number of clip passes, one still
    frame per class, and the whole dataset (first seed only). For `--vpc all`, the whole dataset replaces the
    first two. Random clips have soft labels if the comparison sets `soft_labels`.
    """
    vpcs = sorted({row.vpc for row in rows if isinstance(row.vpc, int)})
    soft = {"soft_labels": True} if asked.settings.get("soft_labels") else {}
    found: list[Row] = []
    if "equal-clips" in asked.controls:
        found += [Row(method=RANDOM, vpc=vpc, settings=soft, control="equal-clips") for vpc in vpcs]
    if "still" in asked.controls:
        found.append(Row(method=RANDOM, vpc=1, settings={"key_frames": 1}, control="still"))
    if "equal-passes" in asked.controls:
        found += _equal_passes(asked, vpcs, clips)
    if "whole" in asked.controls:
        found.append(Row(method=WHOLE, vpc=None, control="whole", seeds=1))
    return _new(found, rows)


def _equal_passes(asked: Comparison, vpcs: Sequence[int], clips: TrainingClips) -> Iterator[Row]:
    """Yields a row per vpc that trains on all real clips, for as many clip passes as the methods need."""
    settings = evaluation_of(asked, Row(method=WHOLE, vpc=None), 0)
    passes, real = settings.training(0).passes, sum(clips.per_class.values())
    more_than_epochs = passes - settings.training(0).epochs  # the public code makes one more pass
    for vpc in vpcs:
        wanted = math.ceil(passes * vpc * len(clips.per_class) / real)
        epochs = {"epochs": max(wanted - more_than_epochs, 0)}
        yield Row(method=WHOLE, vpc=None, evaluation=epochs, control="equal-passes")


def derived_rows(
    asked: Comparison, rows: Sequence[Row], ended: Sequence["CellEnded"], clips: TrainingClips, trials: Trials
) -> list[Row]:
    """Returns rows of random clips with as many frames, or as many bytes, as each method except random.

    If frames or bytes can be split into clips and key frames per clip in several ways, chooses the split that
    scores best on held-out training clips, with one seed and one training each.

    Args:
        asked: the comparison.
        rows: rows of the methods.
        ended: finished cells, including those for `rows`.
        clips: number and shape of the real clips.
        trials: makes the stores that are compared to choose a split.
    """
    found: list[Row] = []
    most = min(clips.per_class.values())
    for row in rows:
        stores = [each.result for each in ended if each.cell.row == row and each.result is not None]
        storages = [each["storage"] for each in stores]
        if row.method == RANDOM or not storages:
            continue
        if "equal-frames" in asked.controls and method_named(row.method).native_bytes is None:
            frames = math.ceil(max(each["num_key_frames"] for each in storages) / len(clips.per_class))
            splits = equal_frames_splits(frames, clips.num_frames, most)
            found += _best(asked, splits, "equal-frames", most, trials)
        if "equal-bytes" in asked.controls:
            limit = max(each["on_disk_bytes"] for each in storages)
            splits = _equal_bytes_splits(limit, most, trials, clips)
            found += _best(asked, splits, "equal-bytes", most, trials)
    return _new(found, [*rows, *(each.cell.row for each in ended)])


def equal_frames_splits(frames: int, num_frames: int, most_clips: int) -> list[dict[str, Any]]:
    """Returns ways to keep at least `frames` real frames per class, each as a `vpc` and `key_frames`.

    Args:
        frames: minimum number of key frames per class.
        num_frames: T, the number of frames in a clip.
        most_clips: maximum number of clips per class.
    """
    powers = [2**power for power in range(num_frames.bit_length()) if 2**power < num_frames]
    splits: list[dict[str, Any]] = []
    for keys in [*powers, num_frames]:
        vpc = math.ceil(frames / keys)
        if vpc <= most_clips and (keys <= frames or not splits):
            splits.append({"vpc": vpc, "key_frames": keys})
    return splits


def _equal_bytes_splits(
    limit: int, most_clips: int, trials: Trials, clips: TrainingClips
) -> list[dict[str, Any]]:
    """Returns, per number of key frames, the split with the most encoded clips that fit in `limit` bytes.

    Measures stores with one and with several clips per class, and extrapolates.
    """
    splits = []
    for keys in (each for each in _CODED_KEY_FRAMES if each <= clips.num_frames):
        coded = {"key_frames": keys, "encoding": _CODED}

        def size(vpc: int, coded: dict[str, Any] = coded) -> int | None:
            return trials.on_disk_bytes(Row(method=RANDOM, vpc=vpc, settings=coded, control=TRIAL))

        several = min(8, most_clips)
        one, more = size(1), size(several)
        if one is None or more is None or one > limit:
            continue
        each = max(1.0, (more - one) / max(1, several - 1))
        vpc = min(most_clips, 1 + int((limit - one) / each))
        while vpc > 1 and (size(vpc) or 0) > limit:
            vpc -= 1
        splits.append({"vpc": vpc, **coded})
    return splits


def _best(
    asked: Comparison, splits: list[dict[str, Any]], control: str, most_clips: int, trials: Trials
) -> list[Row]:
    """Returns a list with the row of the split that scores best on held-out clips; empty without splits."""
    if len(splits) > 1:
        held = {"hold_out": asked.hold_out or _TRIAL_HOLD_OUT}
        most = max(1, int(_TRIAL_CLIPS * most_clips))
        scores = []
        for split in splits:
            tried = {**split, **held, "vpc": min(split["vpc"], most)}
            scores.append(trials.score(_row(tried, TRIAL, {"runs": 1})) or 0.0)
        splits = [splits[scores.index(max(scores))]]
    return [_row(split, control, {}) for split in splits]


def _row(split: dict[str, Any], control: str, evaluation: dict[str, Any]) -> Row:
    settings = {name: value for name, value in split.items() if name != "vpc"}
    return Row(method=RANDOM, vpc=split["vpc"], settings=settings, evaluation=evaluation, control=control)


def _new(found: Sequence[Row], existing: Sequence[Row]) -> list[Row]:
    """Returns the rows that do not exist yet, without duplicates."""
    keys = {row.key for row in existing}
    fresh = {row.key: row for row in reversed(found) if row.key not in keys}
    return list(reversed(fresh.values()))
