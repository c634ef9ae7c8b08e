"""The three phases of a run: warm-up, insertion, cool-down."""

import math
from dataclasses import dataclass

from dfs_store.errors import SettingsError

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Which steps may insert key frames.

    Step s inserts when floor(warmup * n) <= s < n - floor(cooldown * n), n being `iterations`.

    Attributes:
        iterations: n, the number of steps, at least 1.
        warmup: share of the steps before insertion starts, in [0, 1].
        cooldown: share of the steps after insertion ended, in [0, 1].
    """

    iterations: int
    warmup: float
    cooldown: float

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise SettingsError(f"iterations must be at least 1, got {self.iterations}")
        for name, share in (("warmup", self.warmup), ("cooldown", self.cooldown)):
            if not 0 <= share <= 1:
                raise SettingsError(
                    f"{name} is a share of the iterations and must lie in [0, 1], got {share}"
                )
        if self.warmup + self.cooldown > 1:
            raise SettingsError(
                f"warmup + cooldown must not exceed 1, got {self.warmup} + {self.cooldown}; "
                "use --no-insertion for a run that never inserts"
            )

    @property
    def first_insertion(self) -> int:
        """First step that may insert."""
        return math.floor(self.warmup * self.iterations)

    @property
    def end_of_insertion(self) -> int:
        """First step after the insertion phase."""
        return self.iterations - math.floor(self.cooldown * self.iterations)

    def inserts(self, step: int) -> bool:
        """Whether the 0-based `step` may insert key frames."""
        return self.first_insertion <= step < self.end_of_insertion

    def phase(self, step: int) -> str:
        """Name of the phase of a step: "warm-up", "insertion" or "cool-down"."""
        if step < self.first_insertion:
            return "warm-up"
        return "insertion" if step < self.end_of_insertion else "cool-down"
