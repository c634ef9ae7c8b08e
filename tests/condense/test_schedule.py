"""The phases of a run."""

import math

import pytest

from dfs_store.condense.schedule import Schedule
from dfs_store.errors import SettingsError


@pytest.mark.parametrize(
    ("iterations", "warmup", "cooldown"),
    [
        (100, 0.2, 0.2),
        (5000, 0.2, 0.2),
        (7, 0.2, 0.2),
        (300, 0.0, 0.2),
        (300, 0.2, 0.0),
        (1, 0.2, 0.2),
        (10, 0.5, 0.5),
    ],
)
def test_steps_insert_between_warmup_and_cooldown(iterations, warmup, cooldown):
    schedule = Schedule(iterations, warmup, cooldown)
    first, end = math.floor(warmup * iterations), iterations - math.floor(cooldown * iterations)
    for step in range(iterations):
        assert schedule.inserts(step) == (first <= step < end)
        assert schedule.phase(step) == (
            "warm-up" if step < first else "insertion" if step < end else "cool-down"
        )


def test_the_paper_leaves_sixty_of_a_hundred_steps():
    schedule = Schedule(100, 0.2, 0.2)
    assert sum(map(schedule.inserts, range(100))) == 60


@pytest.mark.parametrize(
    ("iterations", "warmup", "cooldown", "named"),
    [
        (0, 0.2, 0.2, "iterations"),
        (10, -0.1, 0.2, "warmup"),
        (10, 0.2, 1.1, "cooldown"),
        (10, 0.6, 0.5, "0.6"),
    ],
)
def test_nonsense_is_refused_by_name(iterations, warmup, cooldown, named):
    with pytest.raises(SettingsError, match=named):
        Schedule(iterations, warmup, cooldown)
