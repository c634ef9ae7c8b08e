"""Labels from numbers, names and counts, and errors for labels that do not match."""

import json

import numpy as np
import pytest

from dfs_store.errors import DatasetNotFoundError, SettingsError, UnreadableClipsError
from dfs_store.exchange.imports.labels import class_names_of, counted_labels, labels_of, read_lines


def test_class_names_are_read_from_text_or_a_file(tmp_path):
    assert class_names_of("a, b") == ["a", "b"]
    assert class_names_of(None) is None
    (tmp_path / "n.txt").write_text("\ufeffride, bike\n\n走る\n", encoding="utf-8")
    assert class_names_of(str(tmp_path / "n.txt")) == ["ride, bike", "走る"]
    (tmp_path / "n.json").write_text(json.dumps(["a", "b"]))
    assert class_names_of(str(tmp_path / "n.json")) == ["a", "b"]
    for text, said in ((",", "at least one"), ("a,a", "2 times")):
        with pytest.raises(SettingsError, match=said):
            class_names_of(text)


def test_files_that_are_not_lists_are_rejected(tmp_path):
    with pytest.raises(DatasetNotFoundError):
        read_lines(tmp_path / "no.txt")
    for name, data in (
        ("a.json", b"{"),
        ("b.json", b'{"a": 1}'),
        ("c.json", b"[1.5]"),
        ("d.txt", b"\xff\xfe\xfd"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableClipsError):
            read_lines(tmp_path / name)


def test_labels_are_numbers_or_names():
    assert labels_of(np.array([1, 0, 1]), 3, None, "l") == ([1, 0, 1], ["class_0", "class_1"])
    assert labels_of(np.array([1.0, 0.0]), 2, ["a", "b"], "l") == ([1, 0], ["a", "b"])
    assert labels_of(np.array(["b", "a"], dtype=object), 2, None, "l") == ([1, 0], ["a", "b"])
    assert labels_of(np.array(["b", "a"]), 2, ["b", "c", "a"], "l") == ([0, 2], ["b", "c", "a"])
    assert counted_labels(4, 2, None) == ([0, 0, 1, 1], ["class_0", "class_1"])


@pytest.mark.parametrize(
    ("labels", "names", "said"),
    [
        ([0, 1], None, "one label per clip"),
        ([[0.1, 0.9]] * 3, None, "argmax"),
        ([0, -1, 0], None, "from 0"),
        ([0, 10**9, 0], None, "from 0"),
        ([0, 2, 0], ["a", "b"], "there are 2 class names"),
        ([0, 0.5, 1], None, "whole numbers"),
        ([0, np.nan, 1], None, "whole numbers"),
        (["a", "c", "a"], ["a", "b"], "every label must be one of a, b, got 'c'"),
    ],
)
def test_labels_that_do_not_match_are_rejected(labels, names, said):
    with pytest.raises(SettingsError, match=said):
        labels_of(np.array(labels), 3, names, "l")


@pytest.mark.parametrize("clips_per_class", [0, -1, 3])
def test_clips_per_class_must_divide_the_number_of_clips(clips_per_class):
    with pytest.raises(SettingsError, match=r"divide the number of clips \(4\)"):
        counted_labels(4, clips_per_class, None)
