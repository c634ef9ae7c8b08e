"""Shards: a dataset's files dealt out to several machines that prepare them into one cache."""

import re
from dataclasses import dataclass
from typing import Self

from dfs_store.errors import SettingsError

__all__ = ["Shard", "ShardReport"]


@dataclass(frozen=True)
class Shard:
    """One of `count` equal shares of a list of files: every `count`-th one, so that classes spread evenly.

    Attributes:
        number: 1 to `count`.
        count: how many shards there are.

    Raises:
        SettingsError: a number is outside its rule.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(f"a shard is one of 1/N to N/N, got {self.number}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the shard that "3/16" names.

        Raises:
            SettingsError: the text names none.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if found is None:
            raise SettingsError(f"--shard must be like 3/16, the third of sixteen, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def has(self, row: int) -> bool:
        """Returns whether a row of the list is in this shard."""
        return self.of(row) == self.number

    def of(self, row: int) -> int:
        """Returns the number of the shard that a row is in, where there are as many as here."""
        return row % self.count + 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """For names of files: shards of another count have other names."""
        return f"-{self.number}-of-{self.count}"


@dataclass(frozen=True)
class ShardReport:
    """What `prepare_shard` has left.

    Attributes:
        shard: that was prepared.
        num_files: in the shard.
        num_failed: of these, files that could not be decoded.
        missing: numbers of the shards that still lack files; none when the whole dataset is prepared.
    """

    shard: Shard
    num_files: int
    num_failed: int
    missing: tuple[int, ...]
