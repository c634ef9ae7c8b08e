"""Shares of a dataset's files, so that several machines can decode them into one cache."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from dfs_store.errors import SettingsError

__all__ = ["Shard", "ShardReport"]


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of a list of files. It contains every `count`-th file, to spread classes evenly.

    Attributes:
        number: number of the shard, 1 to `count`.
        count: number of shards.

    Raises:
        SettingsError: `number` is not in 1..`count`.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(f"a shard I/N must have I between 1 and N, got {self.number}/{self.count}")

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] | None = None) -> Self:
        """Parses text such as "3/16", or finds the shard of this task in the environment.

        Args:
            text: "3/16"; "auto" for a task of a Slurm job array; or "auto/16" for a pod of a Kubernetes
                indexed job, whose environment does not contain the number of pods.
            environment: environment variables. Defaults to those of this process.

        Raises:
            SettingsError: the text has a different form, the number is not in 1..`count`, or the environment
                does not contain the number.
        """
        environment = os.environ if environment is None else environment
        found = re.fullmatch(r"(auto|\d{1,6})(?:/(\d{1,6}))?", text.strip())
        if found is None or (found[2] is None and found[1] != "auto"):
            raise SettingsError(
                f"--shard must be auto or a share such as 3/16 (the third of 16), got {text!r}"
            )
        if found[2] is None:
            return cls(*_of_slurm(environment))
        if found[1] != "auto":
            return cls(int(found[1]), int(found[2]))
        if "SLURM_ARRAY_TASK_ID" in environment:
            raise SettingsError(f"--shard {text}: Slurm provides the number of tasks; use --shard auto")
        return cls(
            _number(environment, "JOB_COMPLETION_INDEX", "a Kubernetes indexed job") + 1, int(found[2])
        )

    def has(self, row: int) -> bool:
        """Returns whether a row of the list is in this shard."""
        return self.of(row) == self.number

    def of(self, row: int) -> int:
        """Returns the number of the shard that contains a row, among `count` shards."""
        return row % self.count + 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """Suffix for the names of this shard's files."""
        return f"-{self.number}-of-{self.count}"


def _of_slurm(environment: Mapping[str, str]) -> tuple[int, int]:
    """Returns a task's shard number, (ID - MIN) / STEP + 1, and the number of shards, COUNT."""
    if "SLURM_ARRAY_TASK_ID" not in environment and "JOB_COMPLETION_INDEX" in environment:
        raise SettingsError(
            "--shard auto: Kubernetes does not provide the number of pods; add it, for example auto/16"
        )
    number, first, step, count = (
        _number(environment, f"SLURM_ARRAY_TASK_{name}", "a Slurm job array")
        for name in ("ID", "MIN", "STEP", "COUNT")
    )
    where = f"task {number} of an array from {first} in steps of {step} with {count} tasks"
    if step < 1 or (number - first) % step or not 0 <= (number - first) // step < count:
        raise SettingsError(
            f"--shard auto: {where} is not one of the shards 1/N to N/N; use an array such as 0-15, "
            "or --shard I/N"
        )
    return (number - first) // step + 1, count


def _number(environment: Mapping[str, str], name: str, of: str) -> int:
    value = environment.get(name)
    if value is None:
        raise SettingsError(f"--shard auto: {name} is not set, so this is not {of}; use --shard I/N instead")
    if not re.fullmatch(r"\d{1,9}", value):
        raise SettingsError(f"--shard auto: {name} must be a whole number, got {value!r}")
    return int(value)


@dataclass(frozen=True)
class ShardReport:
    """Result of `prepare_shard`.

    Attributes:
        shard: the shard that was prepared.
        num_files: number of files in the shard.
        num_failed: number of files in the shard that could not be decoded.
        missing: numbers of the shards that are incomplete; empty if the whole dataset is prepared.
    """

    shard: Shard
    num_files: int
    num_failed: int
    missing: tuple[int, ...]
