"""Merged stores: the order of clips, classes by name, the parents' provenance, and incompatible stores."""

import re

import numpy as np
import pytest

from dfs_store.errors import SettingsError
from dfs_store.exchange import merge_stores
from dfs_store.format import open_store, verify
from tests.format.making import content


def write(path, *, names=("left", "right"), seed=0, dtype="float32", **changes):
    stored = content(dtype, seed=seed, with_steps=changes.pop("with_steps", True))
    stored.class_names[:] = names
    stored.attributes.update(changes)
    stored.write(path)
    return path


def test_clips_keep_their_order_and_classes_are_merged_by_name(tmp_path, dtype):
    write(tmp_path / "a.zarr", dtype=dtype)
    write(tmp_path / "b.h5", names=("up", "left"), seed=1, dtype=dtype)
    merged = merge_stores([tmp_path / "a.zarr", tmp_path / "b.h5"], tmp_path / "m.zarr")
    assert merged.class_names == ["left", "right", "up"]
    assert (merged.num_clips, merged.dtype, merged.notes) == ([4, 4], dtype, [])
    out = open_store(tmp_path / "m.zarr")
    assert out.labels.tolist() == [0, 1, 0, 1, 2, 0, 2, 0]
    first, second = open_store(tmp_path / "a.zarr"), open_store(tmp_path / "b.h5")
    both = np.concatenate([first.stored_frames(0, 12), second.stored_frames(0, 12)])
    assert np.array_equal(out.stored_frames(0, 24), both)
    assert out.inserted_at(5).tolist() == second.inserted_at(1).tolist()
    assert not list(verify(tmp_path / "m.zarr"))


def test_the_provenance_has_the_parents_and_their_common_entries(tmp_path):
    config = {"seed": 0, "stride": 4}
    paths = [
        write(
            tmp_path / f"{seed}.zarr",
            seed=seed,
            provenance={"method": "dfs", "vpc": 2, "config": config | {"seed": seed}, "sources": [seed] * 4},
        )
        for seed in (0, 1)
    ]
    merge_stores(paths, tmp_path / "m.h5")
    provenance = open_store(tmp_path / "m.h5").attributes["provenance"]
    assert provenance["method"] == "dfs"
    assert provenance["config"] == {"stride": 4}
    assert provenance["sources"] == [0] * 4 + [1] * 4
    assert "vpc" not in provenance  # the merged store has 4 clips per class
    parents = provenance["merged_from"]
    assert [one["digest"] for one in parents] == [open_store(path).attributes["digest"] for path in paths]
    assert [(one["path"], one["num_clips"]) for one in parents] == [("0.zarr", 4), ("1.zarr", 4)]
    assert parents[1]["provenance"]["config"] == {"seed": 1, "stride": 4}


def test_parents_without_common_provenance_can_be_merged(tmp_path):
    write(tmp_path / "a.zarr", provenance={"method": "dfs"})
    write(tmp_path / "b.zarr", seed=1, provenance=None, fps=10)
    merged = merge_stores([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "m.zarr")
    out = open_store(tmp_path / "m.zarr")
    assert out.attributes["provenance"]["method"] == "merged"
    assert out.fps is None
    assert "frame rate" in merged.notes[0]


def test_mixed_dtypes_become_float32_without_loss(tmp_path):
    write(tmp_path / "a.zarr", dtype="uint8")
    write(tmp_path / "b.zarr", dtype="float16", seed=1)
    merge_stores([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "m.zarr")
    out, first = open_store(tmp_path / "m.zarr"), open_store(tmp_path / "a.zarr")
    assert out.dtype == "float32"
    assert np.array_equal(out.key_frames(3), first.key_frames(3))


def test_insertion_steps_are_copied_only_if_all_stores_have_them(tmp_path):
    write(tmp_path / "a.zarr")
    write(tmp_path / "b.zarr", seed=1, with_steps=False)
    merged = merge_stores([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "m.zarr")
    assert open_store(tmp_path / "m.zarr").inserted_at(0) is None
    assert "insertion steps" in merged.notes[0]


def test_incompatible_stores_are_rejected_with_both_values_and_a_remedy(tmp_path):
    write(tmp_path / "a.zarr")
    write(tmp_path / "b.zarr", normalization=None, seed=1)
    with pytest.raises(SettingsError, match=r"(?s)normalization.*mean \[0\.5, 0\.25\].*has none.*dfs import"):
        merge_stores([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "m.zarr")
    with pytest.raises(SettingsError, match="same clips"):
        merge_stores([tmp_path / "a.zarr", tmp_path / "a.zarr"], tmp_path / "m.zarr")
    with pytest.raises(SettingsError, match="at least two"):
        merge_stores([tmp_path / "a.zarr"], tmp_path / "m.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_soft_labels_are_kept_if_all_stores_have_them_for_all_classes(tmp_path):
    def written(name, names=("left", "right"), with_soft_labels=True):
        stored = content(with_soft_labels=with_soft_labels)
        stored.class_names[:] = names
        stored.write(tmp_path / name)
        return tmp_path / name

    first, turned = written("a.zarr"), written("b.zarr", ("right", "left"))
    merged = merge_stores([first, turned], tmp_path / "m.zarr")
    assert merged.notes == []
    both = open_store(tmp_path / "m.zarr").soft_labels
    assert both[:4].tolist() == [[n, -0.25] for n in range(4)]
    assert both[4:].tolist() == [[-0.25, n] for n in range(4)]
    for other, why in (
        (written("c.zarr", ("left", "up")), r"a\.zarr has none for some of the classes"),
        (written("d.zarr", with_soft_labels=False), r"d\.zarr has none"),
    ):
        merged = merge_stores([first, other], tmp_path / "m.zarr", overwrite=True)
        (note,) = merged.notes
        assert re.search(f"soft labels were not copied, because .*{why}", note)
        assert open_store(tmp_path / "m.zarr").soft_labels is None
