"""The phases of the run that made a store, from its provenance."""

from collections.abc import Iterator
from dataclasses import dataclass

from dfs_store.format import KeyFrameStore
from dfs_store.shares import floor_share

__all__ = ["Phases", "store_phases"]

_LATE = 0.2  # the share of cool-down in the paper, in which nothing is inserted


@dataclass(frozen=True)
class Phases:
    """The phases of a run.

    Attributes:
        first_insertion: number of warm-up steps, before key frames are inserted.
        end_of_insertion: first step of cool-down; equal to `first_insertion` if nothing is inserted.
        steps: number of steps.
    """

    first_insertion: int
    end_of_insertion: int
    steps: int

    @property
    def late_from(self) -> int:
        """First step of the last fifth of the run, in which inserted key frames are trained for few steps."""
        return self.steps - floor_share(_LATE, self.steps)

    def named(self) -> Iterator[tuple[str, int, int]]:
        """Yields the name, the first step and the end of each phase that is not empty."""
        if self.first_insertion == self.end_of_insertion:
            yield "matching", 0, self.steps
            return
        bounds = (0, self.first_insertion, self.end_of_insertion, self.steps)
        for name, start, stop in zip(("warm-up", "insertion", "cool-down"), bounds, bounds[1:], strict=False):
            if stop > start:
                yield name, start, stop


def store_phases(store: KeyFrameStore) -> Phases | None:
    """Returns the phases of the run that made a store, or None if they are unknown or nothing was inserted.

    In a run of n steps, key frames are inserted in steps floor(warmup * n) to n - floor(cooldown * n) - 1.
    """
    config = store.provenance_object("config")
    steps, warmup, cooldown = (config.get(key) for key in ("iterations", "warmup", "cooldown"))
    if not isinstance(steps, int) or not 0 < steps < 2**31 or config.get("insertion") is False:
        return None
    if not isinstance(warmup, int | float) or not isinstance(cooldown, int | float):
        return None
    if not 0 <= warmup <= 1 or not 0 <= cooldown <= 1:
        return None
    return Phases(floor_share(warmup, steps), steps - floor_share(cooldown, steps), steps)
