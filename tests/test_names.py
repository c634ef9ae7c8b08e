"""Plural forms and first lines, each in one place."""

import pytest

from dfs_store.names import counted, first_line


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


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("lost\nat line 3"), "lost"),
        (RuntimeError("\n  lost\n"), "lost"),
        (ConnectionError(), "ConnectionError"),
        (MemoryError("\n"), "MemoryError"),
    ],
)
def test_the_first_line_of_an_error(error, text):
    assert first_line(error) == text
