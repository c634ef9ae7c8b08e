"""Folder names of classes are unchanged if possible, and never outside, hidden, reserved or equal."""

import os
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from dfs_store.exchange.exports.names import folder_names

NASTY = [
    "..", ".", "/", "a/b", "a_b", "a\\b", "CON", "con.txt", "train", "Test", " a", "a ", "A", "a", "ä",
    "a\u0308",
]  # fmt: skip


@given(st.lists(st.text(min_size=1), min_size=1, max_size=12, unique=True))
@example(NASTY)
@example(["\ud800", "\x00", "\n", "x" * 300, "x" * 301, "é" * 200])
@example(["a/b", "a_b-2", "a_b"])
def test_every_class_has_its_own_folder(names):
    folders = folder_names(names)
    assert list(folders) == names
    for folder in folders.values():
        assert 1 <= len(os.fsencode(folder)) <= 110
        assert os.path.basename(folder) == folder not in (".", "..")
        assert not folder.startswith((".", " "))
        assert not folder.endswith((".", " "))
        assert not set(folder) & set('/\\<>:"|?*\0\n')
    shown = [unicodedata.normalize("NFKC", folder).casefold() for folder in folders.values()]
    assert len(set(shown)) == len(names)
    assert not {"con", "train", "test", "val", "validation"} & set(shown)


def test_valid_names_stay_and_others_remain_recognisable():
    assert folder_names(["Ride Bike", "走る", "a.b-c"]) == {
        "Ride Bike": "Ride Bike",
        "走る": "走る",
        "a.b-c": "a.b-c",
    }
    assert folder_names(["a/b", "a_b"]) == {"a/b": "a_b-2", "a_b": "a_b"}
    assert folder_names(["..", "..."]) == {"..": "class", "...": "class-2"}
    assert folder_names(["nul", "train"]) == {"nul": "_nul", "train": "train_"}
