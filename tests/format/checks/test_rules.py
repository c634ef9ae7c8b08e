"""Each rule for the small arrays is broken separately, in a store with a valid digest."""

import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError
from dfs_store.format import open_store
from dfs_store.format.checks.rules import array_problems
from dfs_store.format.spec import parse_header
from tests.format.making import content, edit_attributes, read_attributes, read_raw, write_array

# positions of the store: [0 5][0][0 2 5][0 1 2 3 4 5], offsets 0 2 3 6 12
BROKEN = [
    ("positions", 0, 1, "first position must be 0, got .1 5..*clip 0"),
    ("positions", 5, 4, "last position must be num_frames - 1 = 5, got .0 2 4..*clip 2"),
    ("positions", 4, 0, "strictly increase, got .0 0 5..*clip 2"),
    ("positions", 11, 6, "last position"),
    ("positions", 8, 65535, "strictly increase.*clip 3"),
    ("offsets", 0, 1, "start at 0, got 1"),
    ("offsets", 4, 11, r"end at the number of key frames \(12\), got 11"),
    ("offsets", 2, 2, "increase by at least 1, got 2 followed by 2"),
    ("offsets", 2, -(2**63), "increase by at least 1"),
    ("offsets", 2, 2**63 - 1, "increase by at least 1"),
    ("labels", 1, 2, r"labels must be in 0..1 \(2 classes\), got 2.*clip 1"),
    ("labels", 0, -1, "got -1"),
    ("inserted_at", 3, -2, "inserted_at must be -1 or a 0-based step, got -2"),
]


@pytest.mark.parametrize(("name", "place", "value", "words"), BROKEN)
def test_a_broken_rule_is_reported_on_opening(store_path, name, place, value, words):
    values = read_raw(store_path)[0][name].copy()
    values[place] = value
    write_array(store_path, name, values)
    edit_attributes(store_path, lambda attributes: None, redigest=True)
    with pytest.raises(DamagedStoreError, match=words):
        open_store(store_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scale", np.nan, "scale must be finite"),
        ("scale", -1, "at least 0"),
        ("zero", np.inf, "zero must be finite"),
        ("scale", 3e38, r"zero \+ scale \* 255 must be finite"),
    ],
)
def test_scale_and_zero_must_yield_finite_values(tmp_path, container, name, value, words):
    path = tmp_path / f"u.{container}"
    content("uint8").write(path)
    values = read_raw(path)[0][name].copy()
    values[3, 1] = value
    write_array(path, name, values)
    edit_attributes(path, lambda attributes: None, redigest=True)
    with pytest.raises(DamagedStoreError, match=words):
        open_store(path)


@pytest.fixture
def parts(tmp_path):
    path = tmp_path / "s.zarr"
    content("uint8").write(path)
    return parse_header(read_attributes(path), path), read_raw(path)[0]


def test_valid_arrays_have_no_problems(parts):
    header, arrays = parts
    assert list(array_problems(header, arrays, 12, "uint8")) == []


@pytest.mark.parametrize("name", ["positions", "offsets", "labels", "scale", "zero", "checksums"])
def test_a_missing_array_is_reported(parts, name):
    header, arrays = parts
    del arrays[name]
    assert [problem.message for problem in array_problems(header, arrays, 12, "uint8")] == [
        f"the array {name} is missing"
    ]


def test_scale_and_zero_are_allowed_only_with_uint8(parts):
    header, arrays = parts
    messages = [problem.message for problem in array_problems(header, arrays, 12, "float32")]
    assert messages == [
        f"{name} is allowed only with uint8 frames, but key_frames are float32" for name in ("scale", "zero")
    ]


@pytest.mark.parametrize("name", ["positions", "offsets", "scale", "inserted_at", "checksums"])
def test_a_wrong_shape_is_reported(parts, name):
    header, arrays = parts
    arrays[name] = arrays[name][:-1]
    (problem,) = array_problems(header, arrays, 12, "uint8")
    assert problem.message.startswith(f"{name} must have shape")


def test_a_store_without_clips_is_refused(parts):
    header, arrays = parts
    empty = {name: array[:0] for name, array in arrays.items()}
    (problem,) = array_problems(header, empty, 0, "uint8")
    assert "at least one clip" in problem.message


def test_only_the_first_hundred_broken_clips_are_reported(parts):
    header, _ = parts
    count = 1_000_000
    many = {
        "positions": np.ones(count, dtype=np.uint16),
        "offsets": np.arange(count + 1, dtype=np.int64),
        "labels": np.zeros(count, dtype=np.int32),
        "checksums": np.zeros(count, dtype=np.uint32),
    }
    assert len(list(array_problems(header, many, count, "float32"))) == 100
