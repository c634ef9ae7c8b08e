"""Shards: shares of a dataset's files, which several machines decode into one cache."""

import re
from dataclasses import dataclass
from typing import Self

from dfs_store.errors import SettingsError

__all__ = ["Shard", "ShardReport"]


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of a list of files: every `count`-th file, so that classes spread evenly.

    Attributes:
        number: 1 to `count`.
        count: number of shards.

    Raises:
        SettingsError: `number` is not in 1..`count`.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(f"a shard must be one of 1/N to N/N, got {self.number}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses text such as "3/16".

        Raises:
            SettingsError: the text is not of this form, or the number is not in 1..`count`.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if found is None:
            raise SettingsError(f"--shard must be of the form 3/16 (the third of sixteen), got {text!r}")
        return cls(int(found[1]), int(found[2]))

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


@dataclass(frozen=True)
class ShardReport:
    """Result of `prepare_shard`.

    Attributes:
        shard: the shard that was prepared.
        num_files: number of its files.
        num_failed: number of its files that could not be decoded.
        missing: numbers of the shards that are incomplete; empty if the whole dataset is prepared.
    """

    shard: Shard
    num_files: int
    num_failed: int
    missing: tuple[int, ...]
