"""Controls of a comparison: splits with equal frames, equal passes, and rows that already exist."""

import math

import pytest

from dfs_store.condense.training_clips import TrainingClips
from dfs_store.evaluate.comparison.controls import equal_frames_splits, fixed_rows
from dfs_store.evaluate.comparison.paper import of_table
from dfs_store.evaluate.comparison.rows import Row, method_rows
from dfs_store.evaluate.comparison.spec import Comparison, differences

CLIPS = TrainingClips({"a": 100, "b": 90}, 8, (3, 48, 48))


def asked(**changes):
    given = {"dataset": "moving-shapes", "methods": ("random", "dfs"), "vpc": (1, 5), **changes}
    return Comparison(**given)


@pytest.mark.parametrize("frames", [1, 4, 7, 16, 40])
def test_every_split_keeps_at_least_as_many_frames_and_hardly_more(frames):
    splits = equal_frames_splits(frames, 8, 90)
    assert splits
    for split in splits:
        kept = split["vpc"] * split["key_frames"]
        assert frames <= kept < frames + split["key_frames"]
        assert split["vpc"] <= 90
        assert 1 <= split["key_frames"] <= 8


def test_a_split_has_no_more_clips_than_the_smallest_class():
    assert [each["vpc"] for each in equal_frames_splits(40, 8, 12)] == [10, 5]


def test_equal_passes_show_at_least_as_many_clips():
    comparison = asked(evaluation={"epochs": 100})
    rows = fixed_rows(comparison, method_rows(comparison, CLIPS), CLIPS)
    passes = [row.evaluation["epochs"] + 1 for row in rows if row.control == "equal-passes"]
    assert passes == [math.ceil(101 * vpc * 2 / 190) for vpc in (1, 5)]


def test_a_compared_method_is_not_repeated_as_a_control():
    names = {row.control for row in fixed_rows(asked(), method_rows(asked(), CLIPS), CLIPS)}
    assert names == {"still", "equal-passes", "whole"}
    only = asked(methods=("dfs",), controls=("equal-clips",))
    found = fixed_rows(only, method_rows(only, CLIPS), CLIPS)
    assert [(row.method, row.vpc) for row in found] == [("random", 1), ("random", 5)]


@pytest.mark.parametrize(("table", "rows"), [(1, 18), (2, 3), (3, 12), (4, 9), (5, 5), (6, 6)])
def test_the_papers_tables_have_all_their_rows(table, rows):
    comparison = asked(**of_table(table))
    assert len({row.key for row in method_rows(comparison, CLIPS)}) == rows


def test_names_of_rows_are_valid_folder_names():
    plain = Row(method="dfs", vpc=1, settings={"lr": 3.5})
    assert plain.name == "dfs-vpc1-lr=3.5"
    own = Row(method="mine/x:y", vpc=1)
    assert "/" not in own.name
    assert own.name != Row(method="mine/x_y", vpc=1).name


def test_differences_between_specifications_are_listed_by_setting():
    kept = asked().to_json()
    assert differences(kept, asked(root="/elsewhere", device="cpu")) == []
    assert differences(kept, asked(seeds=5)) == ["--seeds was 3, is now 5"]
    assert differences(kept, asked(settings={"lr": 2.0})) == ["--settings was none, is now lr=2.0"]
