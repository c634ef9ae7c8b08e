import pytest

from dfs_store.errors import DamagedStoreError, NewerFormatError
from dfs_store.format import open_store
from dfs_store.format.spec import header_problems, parse_header
from tests.format.making import edit_attributes

GOOD = {
    "format_version": "1.0",
    "num_frames": 8,
    "frame_shape": [3, 4, 4],
    "class_names": ["a", "b"],
    "interpolation": "linear",
    "normalization": {"mean": [0.0, 0.0, 0.0], "std": [1, 1, 1]},
    "complete": True,
    "fps": 12.5,
    "digest": "0" * 64,
    "provenance": {},
}


def test_a_valid_header_has_no_problems():
    header = parse_header(GOOD, "x")
    assert header.num_frames == 8
    assert header.frame_shape == (3, 4, 4)
    assert header.class_names == ["a", "b"]
    assert header.attributes is GOOD


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("num_frames", 1, "2..65536, got 1"),
        ("num_frames", 65537, "got 65537"),
        ("num_frames", True, "got True"),
        ("num_frames", 8.0, "got 8.0"),
        ("frame_shape", [3, 4], r"\[C, H, W\]"),
        ("frame_shape", [3, 0, 4], "whole numbers of at least 1"),
        ("frame_shape", [3, 2**40, 2**40], "536,870,912 bytes"),
        ("class_names", [], "at least one name"),
        ("class_names", ["a", ""], "non-empty"),
        ("class_names", ["a", "b", "a"], "'a' twice"),
        ("class_names", "ab", "list"),
        ("interpolation", "cubic", "linear"),
        ("normalization", [], "normalization must be null"),
        ("normalization", {"mean": [0, 0], "std": [1, 1]}, "one number per channel"),
        ("normalization", {"mean": [0, 0, 10**400], "std": [1, 1, 1]}, "finite"),
        ("normalization", {"mean": [0, 0, 0], "std": [1, 0, 1]}, "above 0"),
        ("fps", 0, "above 0"),
        ("fps", "25", "number"),
        ("provenance", [], "object"),
        ("complete", False, "never finished"),
        ("complete", 1, "never finished"),
        ("digest", "F" * 64, "hex"),
        ("digest", None, "hex"),
    ],
)
def test_each_broken_rule_is_reported_with_the_value(key, value, words):
    with pytest.raises(DamagedStoreError, match=words):
        parse_header(GOOD | {key: value}, "x.zarr")


def test_all_broken_rules_are_reported_together():
    assert len(header_problems(GOOD | {"num_frames": 1, "class_names": [], "fps": -1})) == 3


def test_optional_keys_may_be_missing():
    slim = {key: GOOD[key] for key in GOOD if key not in ("normalization", "fps", "provenance")}
    header = parse_header(slim, "x")
    assert header.normalization is None
    assert header.fps is None


@pytest.mark.parametrize("version", ["2.0", "2.7", "10.0"])
def test_a_newer_major_version_is_refused_with_its_number(version):
    with pytest.raises(NewerFormatError, match=rf"format version {version}.*upgrade"):
        parse_header({"format_version": version, "all else": "unknown"}, "x")


@pytest.mark.parametrize("version", [None, "", "1", 1.0, "0.9", "1.x", "1.0.0", "१.0"])
def test_an_invalid_version_is_damage(version):
    with pytest.raises(DamagedStoreError, match="format_version"):
        parse_header(GOOD | {"format_version": version}, "x")


def test_a_newer_minor_version_and_unknown_keys_are_read(store_path):
    def change(attributes):
        attributes["format_version"] = "1.7"
        attributes["from_the_future"] = {"x": [1, None]}

    edit_attributes(store_path, change, redigest=True)
    assert open_store(store_path).attributes["from_the_future"] == {"x": [1, None]}


def test_a_store_of_version_two_is_refused(store_path):
    edit_attributes(store_path, lambda attributes: attributes.update(format_version="2.0"))
    with pytest.raises(NewerFormatError, match=r"format version 2\.0"):
        open_store(store_path)
