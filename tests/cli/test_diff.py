"""`dfs diff` finds stores equal in any container, and names each kind of difference."""

import numpy as np
import pytest

from dfs_store import StoreWriter, open_store
from tests.cli.conftest import write_store


def changed(source, path, *, attributes=None, change=None):
    """Rewrites a store with clip 1 changed by `change(key_frames, positions, label)`."""
    with open_store(source) as store:
        about = {name: store.attributes[name] for name in ("normalization", "fps", "provenance")}
        with StoreWriter(
            path,
            num_frames=store.num_frames,
            frame_shape=store.frame_shape,
            class_names=store.class_names,
            attributes={**about, **(attributes or {})},
        ) as writer:
            for clip in range(len(store)):
                given = (store.key_frames(clip), store.positions(clip), int(store.labels[clip]))
                if clip == 1 and change:
                    given = change(*given)
                writer.append(*given, [-1] * len(given[1]))
    return path


@pytest.fixture
def first(tmp_path):
    return write_store(tmp_path / "first.zarr")


def test_a_store_equals_its_copy_in_another_container(dfs, first, tmp_path):
    assert dfs("convert", first, tmp_path / "copy.h5").code == 0
    outcome = dfs("diff", first, tmp_path / "copy.h5")
    assert (outcome.code, outcome.stdout) == (0, "equal: settings, positions, labels and values\n")
    content = dfs("diff", first, tmp_path / "copy.h5", "--json").document
    assert content["schema"] == "dfs.diff/1"
    assert content["equal"] is True


def test_settings(dfs, first, tmp_path):
    about = {"provenance": {"method": "dfs", "dataset": "made-up", "vpc": 1, "seed": 4, "created": "now"}}
    outcome = dfs("diff", first, changed(first, tmp_path / "b.zarr", attributes=about), "--json")
    assert outcome.code == 1
    assert outcome.document["settings"] == {"seed": [3, 4]}
    assert outcome.document["values"]["num_clips"] == 0


def test_positions(dfs, first, tmp_path):
    other = changed(first, tmp_path / "b.zarr", change=lambda k, p, label: (k, [0, 4, 7], label))
    outcome = dfs("diff", first, other)
    assert outcome.code == 1
    assert "positions  differ in 1 clip, first 1: A [0, 3, 7], B [0, 4, 7]" in outcome.stdout
    assert "labels     equal" in outcome.stdout
    assert "values     differ in 1 clip" in outcome.stdout


def test_values_and_labels(dfs, first, tmp_path):
    def change(key_frames, positions, label):
        key_frames = np.array(key_frames)
        key_frames[0, 0, 0, 0] += 0.5
        return key_frames, positions, 0

    content = dfs("diff", first, changed(first, tmp_path / "b.zarr", change=change), "--json").document
    assert content["values"]["largest"] == pytest.approx(0.5)
    assert content["values"]["largest_clip"] == 1
    assert content["labels"]["first"] == [1, [1], [0]]
    assert content["positions"]["num_clips"] == 0


def test_clips_that_exist_in_one_store_only(dfs, first, tmp_path):
    outcome = dfs("diff", first, write_store(tmp_path / "b.zarr", num_clips=4))
    assert outcome.code == 1
    assert outcome.stdout.splitlines()[2].split() == ["clips", "3", "4"]


def test_a_path_that_is_not_a_store(dfs, first, tmp_path):
    assert dfs("diff", first, tmp_path / "none.zarr").code == 3
    assert dfs("diff", first).code == 2
