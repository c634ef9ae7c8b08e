"""The phases of a run."""

import math

import pytest

from dfs_store.condense.engine.schedule import Schedule
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


def test_a_share_is_the_decimal_number_as_typed():
    """In floating point 0.29 * 100 is 28.999999999999996."""
    assert Schedule(100, 0.29, 0.57).phases == (
        ("warm-up", 0, 29),
        ("insertion", 29, 43),
        ("cool-down", 43, 100),
    )
    assert Schedule(50, 0.14, 0.58).first_insertion == 7


def test_a_run_without_insertion_has_one_phase():
    schedule = Schedule(10, 0.2, 0.2, insertion=False)
    assert not any(schedule.inserts(step) or schedule.tests(step) for step in range(10))
    assert {schedule.phase(step) for step in range(10)} == {"matching"}
    assert schedule.phases == (("matching", 0, 10),)


def test_the_papers_insertion_phase_has_sixty_of_a_hundred_steps():
    schedule = Schedule(100, 0.2, 0.2)
    assert sum(map(schedule.inserts, range(100))) == 60


def steps_that_test(schedule):
    return [step for step in range(schedule.iterations) if schedule.tests(step)]


@pytest.mark.parametrize("share", [0.0, 1e-300, 0.01, 1 / 60])
def test_every_step_tests_if_an_interval_is_at_most_a_step(share):
    assert steps_that_test(Schedule(100, 0.2, 0.2, share)) == list(range(20, 80))


@pytest.mark.parametrize(
    ("iterations", "share", "steps"),
    [
        (100, 1.0, [79]),
        (100, 0.5, [49, 79]),
        (100, 0.25, [34, 49, 64, 79]),
        (50, 0.25, [17, 24, 32, 39]),  # 30 steps: intervals of 7 and 8
        (100, 0.3, [39, 59, 79]),  # round(1 / 0.3) intervals
        (100, 0.6, [49, 79]),
        (100, 0.8, [79]),
        (5, 0.5, [2, 3]),
    ],
)
def test_the_last_step_of_each_interval_tests(iterations, share, steps):
    assert steps_that_test(Schedule(iterations, 0.2, 0.2, share)) == steps


def test_an_empty_phase_has_no_tests():
    schedule = Schedule(10, 0.5, 0.5, 0.1)
    assert schedule.num_tests == 0
    assert steps_that_test(schedule) == []


@pytest.mark.parametrize(
    ("iterations", "warmup", "cooldown", "named"),
    [
        (0, 0.2, 0.2, "iterations"),
        (10, -0.1, 0.2, "warmup"),
        (10, 0.2, 1.1, "cooldown"),
        (10, 0.6, 0.5, "0.6"),
    ],
)
def test_an_invalid_value_raises_an_error_that_names_its_setting(iterations, warmup, cooldown, named):
    with pytest.raises(SettingsError, match=named):
        Schedule(iterations, warmup, cooldown)
