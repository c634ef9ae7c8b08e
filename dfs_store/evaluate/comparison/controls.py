"""The rows that every comparison has beside its methods: what a method must beat at equal cost.

`fixed_rows` are known beforehand; `derived_rows` depend on the key frames and bytes that the methods kept.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from dfs_store.condense.methods import method_named
from dfs_store.condense.training_clips import TrainingClips
from dfs_store.evaluate.comparison.rows import Row, evaluation_of
from dfs_store.evaluate.comparison.spec import Comparison
from dfs_store.evaluate.record import WHOLE

if TYPE_CHECKING:
    from dfs_store.evaluate.comparison.run import CellEnded

__all__ = ["RANDOM", "TRIAL", "derived_rows", "equal_frames_splits", "fixed_rows"]

RANDOM, TRIAL = "random", "trial"
_CODED = "webp:10"  # real clips keep their score at this quality, in the fewest bytes
_CODED_KEY_FRAMES = (2, 4)
_TRIAL_HOLD_OUT = 0.2
_TRIAL_CLIPS = 0.6  # of the smallest class at most: whole groups are held out, so more than the share can be


class Trials(Protocol):
    """Makes stores that only help to choose a control."""

    def score(self, row: Row) -> float | None:
        """Returns the top-1 of a row with the first seed in percent; None if it fails."""

    def on_disk_bytes(self, row: Row) -> int | None:
        """Returns the size of its store with the first seed; None if it fails."""


def fixed_rows(asked: Comparison, rows: Sequence[Row], clips: TrainingClips) -> list[Row]:
    """Returns the controls that do not depend on what the methods keep.

    Random clips at equal clips, all real clips at equal clip passes, one still frame per class, and the whole
    dataset, the last with the first seed alone. Beside `--vpc all` the first two are the whole dataset.
    Random clips have soft labels if the comparison asks for them.
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
    """Yields all real clips, trained for as few passes as present at least as many clips as a store's do."""
    settings = evaluation_of(asked, Row(method=WHOLE, vpc=None), 0)
    passes, real = settings.training(0).passes, sum(clips.per_class.values())
    more_than_epochs = passes - settings.training(0).epochs  # the public code makes one pass more
    for vpc in vpcs:
        wanted = math.ceil(passes * vpc * len(clips.per_class) / real)
        epochs = {"epochs": max(wanted - more_than_epochs, 0)}
        yield Row(method=WHOLE, vpc=None, evaluation=epochs, control="equal-passes")


def derived_rows(
    asked: Comparison, rows: Sequence[Row], ended: Sequence["CellEnded"], clips: TrainingClips, trials: Trials
) -> list[Row]:
    """Returns random clips at equal frames and at equal bytes, for every method that is not random itself.

    Where several splits into clips and key frames per clip are possible, the one that scores best on a
    hold-out of the training clips is taken: a trial of one seed and one training each.

    Args:
        asked: the comparison.
        rows: of the methods.
        ended: the finished cells of these rows, among others.
        clips: the real clips, counted.
        trials: makes stores that are not in the tables.
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
    """Returns the ways to keep at least `frames` real frames per class, as settings with their vpc.

    Args:
        frames: key frames per class to reach.
        num_frames: T of the clips.
        most_clips: of the smallest class; no split takes more.
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
    """Returns, per number of key frames, as many coded real clips as fit into `limit` bytes on disk.

    The size of one and of several clips per class is measured, the rest is proportion.
    """
    splits = []
    for keys in (each for each in _CODED_KEY_FRAMES if each <= clips.num_frames):
        coded = {"key_frames": keys, "encoding": _CODED}

        def size(vpc: int, coded: dict[str, Any] = coded) -> int | None:
            return trials.on_disk_bytes(_random(vpc, coded, TRIAL))

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


def _random(vpc: int, settings: dict[str, Any], control: str) -> Row:
    return Row(method=RANDOM, vpc=vpc, settings=settings, control=control)


def _best(
    asked: Comparison, splits: list[dict[str, Any]], control: str, most_clips: int, trials: Trials
) -> Iterator[Row]:
    """Yields the split that scores best on a hold-out; nothing if there is no split."""
    rows = [_random(each["vpc"], {k: v for k, v in each.items() if k != "vpc"}, control) for each in splits]
    if len(rows) > 1:
        held = {"hold_out": asked.hold_out or _TRIAL_HOLD_OUT}
        most = max(1, int(_TRIAL_CLIPS * most_clips))
        tried = (
            replace(
                row,
                vpc=min(split["vpc"], most),
                settings={**row.settings, **held},
                evaluation={"runs": 1},
                control=TRIAL,
            )
            for row, split in zip(rows, splits, strict=True)
        )
        scores = [trials.score(row) or 0.0 for row in tried]
        rows = [rows[scores.index(max(scores))]]
    yield from rows


def _new(found: Sequence[Row], there: Sequence[Row]) -> list[Row]:
    """Returns the rows that are not there yet, each once."""
    keys = {row.key for row in there}
    fresh = {row.key: row for row in reversed(found) if row.key not in keys}
    return list(reversed(fresh.values()))
