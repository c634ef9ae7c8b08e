"""Derives the rows of a comparison from its methods, settings and budget."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dfs_store.byte_sizes import parse_bytes
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.methods import method_named
from dfs_store.condense.settings import ClipsPerClass
from dfs_store.condense.training_clips import TrainingClips
from dfs_store.errors import SettingsError
from dfs_store.evaluate.comparison.settings_text import EVALUATE, split_name
from dfs_store.evaluate.comparison.spec import Comparison
from dfs_store.evaluate.record import WHOLE
from dfs_store.evaluate.run import EvaluationSettings
from dfs_store.format.accounting import count_index, key_frames_within
from dfs_store.format.spec import frame_size_bytes

__all__ = ["Row", "config_of", "evaluation_of", "method_rows", "within_budget"]

_LONGEST_NAME = 80
# Settings that every method uses, in addition to those in its record.
_SHARED = {
    "dtype", "soft_labels", "precision", "max_memory", "checkpoint_every",
    "frames", "stride", "size", "split", "classes", "decoder",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table: a method with its settings, for all seeds.

    Attributes:
        method: name of the method; `WHOLE` trains on all real clips.
        vpc: videos per class, or "all"; None for `WHOLE`.
        settings: condensation settings.
        evaluation: evaluation settings that differ from the comparison's.
        control: name of the control (`CONTROLS`), "trial" for a row used to choose one, or None for a method.
        seeds: number of seeds; None means the number that the comparison sets.
    """

    method: str
    vpc: ClipsPerClass | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    control: str | None = None
    seeds: int | None = None

    @property
    def name(self) -> str:
        """Name of the row's folders, made of characters that all file systems allow."""
        parts = [self.control] if self.control else []
        parts += [self.method] + ([f"vpc{self.vpc}"] if self.vpc is not None else [])
        parts += [f"{name}={value}" for name, value in {**self.settings, **self.evaluation}.items()]
        full = "-".join(parts)
        safe = re.sub(r"[^\w.+=-]", "_", full)
        if safe == full and len(safe) <= _LONGEST_NAME:
            return safe
        return f"{safe[:_LONGEST_NAME]}-{hashlib.sha256(full.encode()).hexdigest()[:8]}"

    @property
    def key(self) -> str:
        """A key that is the same for rows that are condensed and evaluated in the same way."""
        return json.dumps([self.method, self.vpc, dict(self.settings), dict(self.evaluation)], sort_keys=True)


def method_rows(asked: Comparison, clips: TrainingClips) -> list[Row]:
    """Returns the rows of the compared methods, without duplicates.

    Raises:
        SettingsError: a setting is not used by any method, or settings contradict each other.
    """
    used: set[str] = set()
    rows: dict[str, Row] = {}
    for vpc, chosen, method in itertools.product(asked.vpc, _combinations(asked), asked.methods):
        row = _row(asked, method, vpc, {**asked.settings, **chosen}, used)
        if asked.budget is not None:
            row = within_budget(asked, row, clips)
        rows.setdefault(row.key, row)
    given = {*asked.settings, *asked.vary, *(name for each in asked.variants.values() for name in each)}
    if unused := sorted(given - used):
        raise SettingsError(
            f"{' or '.join(unused)} is not used by {' or '.join(asked.methods)}; leave out the setting, "
            "or add a method that uses it"
        )
    for row in rows.values():
        config_of(asked, row, 0, "unused.zarr")
        evaluation_of(asked, row, 0)
    return list(rows.values())


def _combinations(asked: Comparison) -> Iterator[dict[str, Any]]:
    if asked.variants:
        yield from (dict(each) for each in asked.variants.values())
        return
    for values in itertools.product(*asked.vary.values()):
        yield dict(zip(asked.vary, values, strict=True))


def _row(asked: Comparison, method: str, vpc: ClipsPerClass, given: Mapping[str, Any], used: set[str]) -> Row:
    """Makes a row from the settings that the method uses, and adds their names to `used`."""
    record = method_named(method)
    settings: dict[str, Any] = {}
    evaluation: dict[str, Any] = {}
    for name, value in given.items():
        owner, own = split_name(name)
        takes = own in {*record.settings, *_SHARED} or (own == "encoding" and record.encodes)
        if owner == EVALUATE:
            evaluation[own] = value
        elif owner == method or (owner is None and takes):
            settings[own] = value
        else:
            continue
        used.add(name)
    sizes = {"budget", "key_frames", "max_error"} & set(record.settings)
    if asked.budget is None and not sizes & set(settings):
        settings |= record.when_compared
    return Row(method=method, vpc=vpc, settings=settings, evaluation=evaluation)


def config_of(asked: Comparison, row: Row, seed: int, out: str) -> CondenseConfig:
    """Returns the settings for condensing a row.

    Raises:
        SettingsError: settings contradict each other.
    """
    assert row.vpc is not None
    assert row.method != WHOLE
    return CondenseConfig(
        **{
            **asked.sampling,
            "dataset": asked.dataset,
            "root": asked.root,
            "device": asked.device,
            "vpc": row.vpc,
            "method": row.method,
            "seed": seed,
            "out": out,
            "resume": True,
            **row.settings,
        }
    )


def evaluation_of(asked: Comparison, row: Row, seed: int, device: str = "cpu") -> EvaluationSettings:
    """Returns the settings for evaluating a row."""
    return EvaluationSettings(**{**asked.evaluation, **row.evaluation, "seed": seed, "device": device})


def within_budget(asked: Comparison, row: Row, clips: TrainingClips) -> Row:
    """Returns a row with settings that keep the store's key frames and index, as stored, within the budget.

    Methods that have a `budget` setting are given the budget. Methods that keep real frames keep as many
    frames per clip as fit, as uint8 unless a dtype is given. For all other methods, the initial key frames
    must fit.

    Raises:
        SettingsError: the minimum number of key frames does not fit.
    """
    record = method_named(row.method)
    limit = parse_bytes(str(asked.budget), "--budget")
    if "budget" in record.settings:
        return replace(row, settings={**row.settings, "budget": asked.budget})
    if "key_frames" in record.settings and "key_frames" not in row.settings:
        row = replace(row, settings={"dtype": "uint8", **row.settings})
        config = config_of(asked, row, 0, "unused.zarr")
        number = sum(map(config.clips_of, clips.per_class.values()))
        each = key_frames_within(limit, number, clips.frame_shape, config.stored_dtype) // number
        if each:
            return replace(row, settings={**row.settings, "key_frames": min(each, clips.num_frames)})
    config = config_of(asked, row, 0, "unused.zarr").resolved()
    number, dtype = sum(map(config.clips_of, clips.per_class.values())), config.stored_dtype
    frames = number * record.key_frames(config, clips.num_frames)[0]
    needed = frames * frame_size_bytes(clips.frame_shape, dtype)
    needed += count_index(frames, number, clips.frame_shape[0], dtype)
    if record.native_bytes is not None:
        classes = len(clips.per_class)
        needed = record.native_bytes(classes, config.per_class, clips.num_frames, clips.frame_shape)
    if needed > limit and config.frame_encoding is None:
        raise SettingsError(
            f"--budget {asked.budget} is {limit:,} bytes, but {row.method} at VPC {row.vpc} needs at least "
            f"{needed:,} bytes as {dtype}; raise the budget, lower --vpc, or leave out the method"
        )
    return row
