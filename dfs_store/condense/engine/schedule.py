"""The three phases of a run: warm-up, insertion and cool-down."""

from dataclasses import dataclass

from dfs_store.errors import SettingsError
from dfs_store.shares import floor_share

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Determines which steps may insert key frames.

    Step s is in the insertion phase if floor(warmup * n) <= s < n - floor(cooldown * n), where n is
    `iterations`. A run without insertion has a single phase, "matching".

    The insertion phase is divided into intervals of equal length (to within a step). The last step of each
    interval is an insertion test.

    Attributes:
        iterations: n, the number of steps, at least 1.
        warmup: fraction of the steps before insertion starts, in [0, 1].
        cooldown: fraction of the steps after insertion ends, in [0, 1].
        insert_every: length of an interval as a fraction of the insertion phase, in [0, 1]; there are round(1
            / insert_every) intervals. If an interval is shorter than a step, every step is a test.
        insertion: whether the run inserts key frames at all.
    """

    iterations: int
    warmup: float
    cooldown: float
    insert_every: float = 0.0
    insertion: bool = True

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise SettingsError(f"--iterations must be at least 1, got {self.iterations}")
        for name, share in (("warmup", self.warmup), ("cooldown", self.cooldown)):
            if not 0 <= share <= 1:
                raise SettingsError(
                    f"--{name} is a share of the iterations and must be in [0, 1], got {share}"
                )
        if self.warmup + self.cooldown > 1:
            raise SettingsError(
                f"--warmup and --cooldown together must not exceed 1, got {self.warmup} + {self.cooldown}; "
                "use --no-insertion for a run that never inserts"
            )
        if not 0 <= self.insert_every <= 1:
            raise SettingsError(
                f"--insert-every is a share of the insertion phase and must be in [0, 1], "
                f"got {self.insert_every}"
            )

    @property
    def first_insertion(self) -> int:
        """First step that may insert key frames."""
        return floor_share(self.warmup, self.iterations)

    @property
    def end_of_insertion(self) -> int:
        """First step after the insertion phase."""
        return self.iterations - floor_share(self.cooldown, self.iterations)

    @property
    def num_tests(self) -> int:
        """Number of tests, one at the end of each interval."""
        num_steps = self.end_of_insertion - self.first_insertion
        if self.insert_every * num_steps <= 1:
            return num_steps
        return round(1 / self.insert_every)

    def inserts(self, step: int) -> bool:
        """Returns whether the 0-based `step` is in the insertion phase."""
        return self.insertion and self.first_insertion <= step < self.end_of_insertion

    def tests(self, step: int) -> bool:
        """Returns whether the 0-based `step` is the last of an interval, so that it may insert key frames."""
        if not self.inserts(step):
            return False
        num_steps, done = self.end_of_insertion - self.first_insertion, step - self.first_insertion
        return (done + 1) * self.num_tests // num_steps > done * self.num_tests // num_steps

    def phase(self, step: int) -> str:
        """Returns the phase of a step: "warm-up", "insertion", "cool-down" or "matching"."""
        return next(name for name, _, end in self.phases if step < end)

    @property
    def phases(self) -> tuple[tuple[str, int, int], ...]:
        """The name and the half-open range of steps of each phase, in order."""
        if not self.insertion:
            return (("matching", 0, self.iterations),)
        return (
            ("warm-up", 0, self.first_insertion),
            ("insertion", self.first_insertion, self.end_of_insertion),
            ("cool-down", self.end_of_insertion, self.iterations),
        )
