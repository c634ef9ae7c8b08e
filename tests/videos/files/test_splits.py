"""Names of splits in any spelling, and other names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.videos.files.splits import is_container, split_name

WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validate", "validation", "eval"),
    "test": ("test", "testing"),
}
CASES = (str.lower, str.upper, str.title)


@settings(deadline=None)
@given(
    part=st.sampled_from(sorted(WORDS)),
    word=st.integers(0, 4),
    case=st.sampled_from(CASES),
    sign=st.sampled_from("-_ ."),
    around=st.sampled_from(["", "videos", "rawframes", "clips", "data", "2017", "256x256", "split"]),
    after=st.booleans(),
    stuck=st.sampled_from(["", "set", "data"]),
)
def test_a_split_is_recognised_in_any_spelling(part, word, case, sign, around, after, stuck):
    words = WORDS[part]
    name = words[word % len(words)] + stuck
    if around:
        name = f"{name}{sign}{around}" if after else f"{around}{sign}{name}"
    said = split_name(case(name))
    assert said is not None
    assert (said.part, said.is_plain) == (part, True)


@pytest.mark.parametrize("name", ["TrainSet", "trainSet", "videosTrain", "train2017", "Train_01"])
def test_capitals_and_numbers_separate_words(name):
    said = split_name(name)
    assert said is not None
    assert said.part == "train"


@pytest.mark.parametrize(
    "name", ["restrain", "testifying", "contest", "straining", "run", "0001", "", "valley"]
)
def test_other_names_are_not_splits(name):
    assert split_name(name) is None


def test_the_other_words_of_a_name():
    assert split_name("kinetics400_train")[1:] == (("kinetics", "400"), False, False)
    assert split_name("training dog").is_plain is False
    assert split_name("training_set").is_bare
    assert split_name("train_val").part == "train"
    assert split_name("test_train_splits") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("videos", True),
        ("jpegs_112", True),
        ("fold1", True),
        ("UCF-101", False),
        ("run", False),
        ("112", False),
    ],
)
def test_containers(name, expected):
    assert is_container(name) is expected
