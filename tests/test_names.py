"""Plural forms."""

import pytest

from dfs_store.names import counted


@pytest.mark.parametrize(
    ("number", "thing", "text"),
    [
        (0, "clip", "0 clips"),
        (1, "clip", "1 clip"),
        (1024, "key frame", "1,024 key frames"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (1, "entry", "1 entry"),
        (3, "entry", "3 entries"),
    ],
)
def test_counts_have_the_right_plural(number, thing, text):
    assert counted(number, thing) == text
