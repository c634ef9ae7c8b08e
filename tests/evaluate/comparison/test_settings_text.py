"""Settings given as text: their types, their owners, and the ones that are rejected."""

import pytest

from dfs_store.errors import SettingsError
from dfs_store.evaluate.comparison.settings_text import parse_settings


def test_values_have_the_type_of_their_setting():
    given = ["iterations=200", "lr=3", "insertion=no", "metric=l2", "epsilon=none", "dfs.batch-real=8"]
    assert parse_settings(given, "--set") == {
        "iterations": 200,
        "lr": 3.0,
        "insertion": False,
        "metric": "l2",
        "epsilon": None,
        "dfs.batch_real": 8,
    }


def test_evaluation_settings_have_a_prefix():
    assert parse_settings(["model=cnn-gru", "evaluate.lr=0.1"], "--set") == {
        "evaluate.model": "cnn-gru",
        "evaluate.lr": 0.1,
    }


def test_several_values():
    assert parse_settings(["warmup=0, 0.1,0.2"], "--vary", several=True) == {"warmup": (0.0, 0.1, 0.2)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr", "must be SETTING=VALUE"),
        ("lr=", "must be SETTING=VALUE"),
        ("iterations=many", "must be a whole number"),
        ("insertion=perhaps", "must be true or false"),
        ("warmupp=1", "'warmup'"),
        ("vpc=3", "which `dfs compare` sets itself"),
    ],
)
def test_invalid_settings_are_rejected(text, said):
    with pytest.raises(SettingsError, match=said):
        parse_settings([text], "--set")


def test_a_setting_must_not_be_given_twice():
    with pytest.raises(SettingsError, match="twice"):
        parse_settings(["batch-real=1", "batch_real=2"], "--set")
