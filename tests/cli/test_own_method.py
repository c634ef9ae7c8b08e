"""A custom method works with every command."""

import json
import re

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.condense import CondenseConfig, Method
from dfs_store.errors import SettingsError

DATA = ("--dataset", "moving-shapes", "--classes", "fast,still", "--size", "43")
TOY = """
import numpy as np
from dfs_store.condense import Condensed, CondensedClip, Method

def first_clips(config, videos):
    for label in range(len(videos.classes)):
        for number in np.flatnonzero(videos.labels == label)[: config.vpc]:
            clip, _ = videos[number]
            positions = [0, videos.num_frames - 1]
            yield clip[:, positions].transpose(0, 1).numpy(), positions, label

def run(config, videos, tell):
    return Condensed(CondensedClip(*clip) for clip in first_clips(config, videos))

def refuse(config):
    from dfs_store.errors import SettingsError
    if config.seed == 13:
        raise SettingsError("--seed 13 brings bad luck")

def two(config, num_frames):
    return 2, 2

TOY = Method(run=run, dtype="uint8", settings=("momentum",), check=refuse, key_frames=two)
STEPS = Method(run=run, phases=lambda config: (("search", 0, 3),))
NUMBER = 3

def one(config, videos, label=0, shape=(2, 3, 43, 43), positions=(0, 7)):
    return np.zeros(shape, np.float32), positions, label

def nothing(config, videos):
    pass

def no_arguments():
    return []

def pairs(config, videos):
    yield one(config, videos)[:2]

def breaks(config, videos):
    yield one(config, videos)
    raise KeyError("oh")

def few(config, videos):
    yield one(config, videos)

def many(config, videos):
    for label in (0, 0, 0, 1, 1):
        yield one(config, videos, label)

def other_shape(config, videos):
    yield one(config, videos)
    yield one(config, videos, shape=(2, 3, 4, 4))

def with_native(config, videos, tell):
    clips = [CondensedClip(*one(config, videos, label)) for label in (0, 0, 1, 1)]
    return Condensed(iter(clips), native={"numbers": np.zeros(3, np.float32)})

NATIVE = Method(run=with_native)
LIST = Method(run=lambda config, videos, tell: [])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_toy.py").write_text(TOY)
    return tmp_path


@pytest.mark.parametrize("name", ["own_toy:first_clips", "own_toy:TOY"])
def test_one_name_is_enough_for_every_command(dfs, folder, name):
    flags = (*DATA, "--vpc", "2", "--method", name, "--out", "toy.zarr")
    plan = dfs("condense", *flags, "--dry-run", "--json").document
    assert plan["num_clips"] == 4
    assert plan["phases"] == []
    assert dfs("condense", *flags).code == 0
    document = dfs("inspect", "toy.zarr", "--json").document
    assert document["provenance"]["method"] == name
    assert document["dtype"] == ("uint8" if name.endswith("TOY") else "float32")
    if name.endswith("TOY"):
        assert plan["most_bytes"] == document["storage"]["key_frame_bytes"]
    with open_store("toy.zarr") as store:
        assert [store.positions(clip).tolist() for clip in range(4)] == [[0, 7]] * 4
        assert np.array_equal(store.labels, [0, 0, 1, 1])
    assert dfs("evaluate", "toy.zarr", "--epochs", "1", "--runs", "1").code == 0
    (row,) = json.loads(dfs("table", folder, "--json").stdout)["rows"]
    assert row["method"] == name


def test_a_record_with_steps_of_its_own_needs_no_preset(dfs, folder):
    flags = (*DATA, "--vpc", "2", "--method", "own_toy:STEPS", "--out", "toy.zarr")
    assert dfs("condense", *flags, "--dry-run", "--json").document["phases"] == [["search", 0, 3]]
    assert dfs("condense", *flags).code == 0


def test_settings_that_a_record_uses_and_refuses(dfs, folder):
    def make(**changes):
        return CondenseConfig(out="t.zarr", dataset="moving-shapes", vpc=1, method="own_toy:TOY", **changes)

    assert "--lr" in make(lr=1.0, momentum=0.5).notes()[0]
    assert "--momentum" not in make(lr=1.0, momentum=0.5).notes()[0]
    with pytest.raises(SettingsError, match="bad luck"):
        make(seed=13)
    outcome = dfs(
        "condense", *DATA, "--vpc", "1", "--method", "own_toy:TOY", "--out", "t.zarr", "--seed", "13"
    )
    assert outcome.code == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_toy:missing", "cannot import missing from 'own_toy'.*write it as module:function"),
        ("nowhere_at_all:f", "ModuleNotFoundError"),
        ("own_toy:NUMBER", "must be a function or a Method, got int"),
        ("herdin", "Did you mean 'herding'"),
    ],
)
def test_a_name_that_cannot_be_imported(folder, name, said):
    with pytest.raises(SettingsError, match=said):
        CondenseConfig(out="t.zarr", dataset="moving-shapes", vpc=1, method=name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "raised TypeError: 'NoneType' object is not iterable"),
        ("no_arguments", "raised TypeError: .*takes 0 positional arguments"),
        ("pairs", "raised TypeError: .*missing 1 required positional argument: 'label'"),
        ("breaks", "raised KeyError: 'oh'"),
        ("few", "returned 1 clip of class 'fast', but --vpc 2 needs 2"),
        ("many", "returned 3 clips of class 'fast'"),
        ("other_shape", r"clip 1: key frames must have shape \(K, 3, 43, 43\)"),
        ("NATIVE", "returned native arrays, which only built-in methods may store"),
        ("LIST", "raised TypeError: run must return a Condensed, got list"),
    ],
)
def test_errors_in_user_code_are_not_reported_as_our_bugs(dfs, folder, name, said):
    name = f"own_toy:{name}"
    outcome = dfs("condense", *DATA, "--vpc", "2", "--method", name, "--out", "t.zarr", "-q")
    assert outcome.code in (2, 3)
    assert re.search(f"method {name}.*{said}", outcome.stderr), outcome.stderr
    left = {path.name for path in folder.iterdir()} - {"__pycache__", "own_toy.py", "t.zarr.events.jsonl"}
    assert not left


def test_a_record_with_unknown_settings():
    with pytest.raises(SettingsError, match="must be fields of CondenseConfig, got learning_rate"):
        Method(run=print, settings=("learning_rate",))
    with pytest.raises(SettingsError, match="dtype must be one of float32, float16, uint8, got 'int8'"):
        Method(run=print, dtype="int8")
