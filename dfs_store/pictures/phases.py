"""The phases of a run, from a store's provenance."""

from collections.abc import Iterator
from dataclasses import dataclass

from dfs_store.format import KeyFrameStore
from dfs_store.shares import floor_share

__all__ = ["Phases", "store_phases"]

_LATE = 0.2  # the paper's share of cool-down, in which nothing is inserted


@dataclass(frozen=True)
class Phases:
    """The phases of a run: warm-up before `first_insertion`, cool-down from `end_of_insertion` to `steps`.

    In a run without insertion, `first_insertion` and `end_of_insertion` are equal.
    """

    first_insertion: int
    end_of_insertion: int
    steps: int

    @property
    def late_from(self) -> int:
        """First step of the last fifth of the run. Key frames inserted from then on are trained little."""
        return self.steps - floor_share(_LATE, self.steps)

    def named(self) -> Iterator[tuple[str, int, int]]:
        """Yields the name and half-open range of steps of each non-empty phase."""
        if self.first_insertion == self.end_of_insertion:
            yield "matching", 0, self.steps
            return
        bounds = (0, self.first_insertion, self.end_of_insertion, self.steps)
        for name, start, stop in zip(("warm-up", "insertion", "cool-down"), bounds, bounds[1:], strict=False):
            if stop > start:
                yield name, start, stop


def store_phases(store: KeyFrameStore) -> Phases | None:
    """Returns the phases of the run that made a store, None if they are unknown or nothing was inserted.

    Steps floor(warmup*n) to n - floor(cooldown*n) - 1 insert.
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
