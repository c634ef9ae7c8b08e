"""Rows over seeds: how they are merged, compared with random clips, and labelled."""

import json

import numpy as np
import pytest

from dfs_store.evaluate.seeds import half_interval, student_quantile
from dfs_store.evaluate.table import read_results
from dfs_store.evaluate.table_text import to_text
from tests.evaluate.test_table import result


@pytest.fixture
def rows(tmp_path):
    def read(*results):
        for number, content in enumerate(results):
            (tmp_path / f"{number}.json").write_text(json.dumps(content))
        return read_results([tmp_path])

    return read


def seed(number, mean, method="dfs", **settings):
    about = {"settings": {"seed": number, "method": method, **settings}, "seed": number}
    return result(method, mean=mean, **about)


def test_seeds_are_merged_into_one_row_with_the_sample_standard_deviation(rows):
    (row,) = rows(seed(0, 10.0), seed(1, 14.0), seed(2, 12.0))
    assert (row.seeds, row.mean, row.std) == (3, 12.0, 2.0)
    assert row.by_seed == {0: 10.0, 1: 14.0, 2: 12.0}
    assert "12.0 ± 2.0" in to_text([row])


def test_the_difference_to_random_is_paired(rows):
    """The seed shifts both scores equally, so an unpaired spread would hide a gain that every seed shows."""
    scores = [seed(n, 20.0 + 10 * n, "random") for n in range(3)]
    scores += [seed(n, 23.0 + 10 * n + 0.1 * n) for n in range(3)]
    found = {row.method: row for row in rows(*scores)}
    assert found["dfs"].over_random == pytest.approx(3.1)
    assert found["dfs"].over_random_interval == pytest.approx(4.303 * 0.1 / np.sqrt(3))
    assert found["random"].over_random is None
    assert "+3.1 ± 0.2" in to_text(list(found.values()))


def test_rows_are_compared_only_with_dense_random_clips_that_were_evaluated_in_the_same_way(rows):
    others = [seed(0, 5.0, "random", key_frames=2), {**seed(0, 6.0, "random"), "epochs": 100}]
    assert [row.over_random for row in rows(seed(0, 10.0), *others)] == [None] * 3


def test_soft_labels_are_compared_with_random_clips_with_soft_labels(rows):
    soft = {name: {"mean": 50.0, "std": 0.1, "runs": [50.0]} for name in ("top1", "top5")}
    better = {name: {**score, "mean": 55.0} for name, score in soft.items()}
    both = {"labels": "both"}
    found = rows({**seed(0, 20.0, "random"), **both, "soft": soft}, {**seed(0, 23.0), **both, "soft": better})
    gains = {(row.method, row.labels): row.over_random for row in found}
    assert gains["dfs", "hard"] == pytest.approx(3.0)
    assert gains["dfs", "soft"] == pytest.approx(5.0)


def test_labels_contain_the_settings_that_differ(rows):
    labels = [row.label for row in rows(seed(0, 1.0, epsilon=0.0), seed(0, 2.0, epsilon=-0.1), seed(1, 3.0))]
    assert sorted(labels) == ["dfs (epsilon -0.1)", "dfs (epsilon 0.0)", "dfs (epsilon none)"]


def test_results_without_a_seed_are_not_merged(rows):
    assert len(rows(result(), result())) == 2


def test_controls_are_labelled_and_trials_left_out(rows):
    still = {**seed(0, 5.0, "random", key_frames=1), "control": "still"}
    frames = {**seed(0, 6.0, "random", key_frames=4), "control": "equal-frames"}
    trial = {**seed(0, 7.0, "random", key_frames=2), "control": "trial"}
    whole = {**result("whole", None, storage=None, dtype=None), "passes": 3, "epochs": 2, "title_epochs": 500}
    found = rows(seed(0, 9.0), still, frames, trial, {**whole, "control": "equal-passes"})
    assert {row.label for row in found} == {
        "dfs",
        "one still frame",
        "random at equal frames, 4 key frames",
        "all real clips, 3 passes",
    }
    assert to_text(found).count("3 runs of 500 epochs") == 1  # one table for all


@pytest.mark.parametrize(
    ("degrees", "known"), [(1, 12.706), (4, 2.776), (11, 2.201), (30, 2.042), (200, 1.972)]
)
def test_quantiles_of_students_t(degrees, known):
    assert student_quantile(degrees) == pytest.approx(known, abs=1e-3)


def test_an_interval_needs_two_values():
    assert half_interval([1.0]) is None
    assert half_interval([1.0, 3.0]) == pytest.approx(12.706)
