"""`dfs evaluate` with official splits never tests on clips that a store was made from."""

import json

import numpy as np
import pytest

from dfs_store import StoreWriter, open_store
from tests.videos.making import make_video

SAMPLING = ("--frames", "4", "--stride", "2", "--size", "43")
QUICK = ("--runs", "1", "--epochs", "0", "--device", "cpu")
CLASSES = ("Archery", "Biking")


@pytest.fixture(scope="module")
def ucf(tmp_path_factory):
    """Makes a small UCF101 of two classes, whose splits train on each other's test clips."""
    root = tmp_path_factory.mktemp("ucf")
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    for number, name in enumerate(CLASSES):
        for group in range(1, 5):
            make_video(root / "UCF-101" / name / f"v_{name}_g{group:02}_c01.avi", 12 + 4 * number)
    for split, train in ((1, (1, 2)), (2, (3, 4))):
        for part in ("train", "test"):
            groups = train if part == "train" else {1, 2, 3, 4} - set(train)
            lines = [f"{name}/v_{name}_g{group:02}_c01.avi\n" for name in CLASSES for group in groups]
            (lists / f"{part}list{split:02}.txt").write_text("".join(lines))
    return root


@pytest.fixture
def condensed(dfs, ucf, tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))

    def make(*flags, name="s.zarr"):
        words = ("--dataset", "ucf101", "--root", ucf, "--vpc", "1", "--method", "random", *SAMPLING)
        outcome = dfs("condense", *words, *flags, "--out", tmp_path / name)
        assert outcome.code == 0, outcome.stderr
        return tmp_path / name

    return make


def test_a_store_is_only_tested_on_the_split_it_was_made_from(dfs, ucf, condensed):
    for flags, split in (((), 1), (("--split", "2"), 2)):
        store = condensed(*flags, name=f"{split}.zarr")
        with open_store(store) as opened:
            assert opened.attributes["provenance"]["config"]["split"] == split
        found = dfs("evaluate", store, "--root", ucf, *QUICK, "--json").document
        assert (found["test"]["split"], found["test"]["split_declared"]) == (split, False)
        assert found["test"]["stride"] == 2
        outcome = dfs("evaluate", store, "--root", ucf, *QUICK, "--split", 3 - split)
        assert outcome.code == 2
        assert f"from split {split}, and the test clips of split {3 - split} include" in outcome.stderr
        assert dfs("evaluate", store, "--root", ucf, *QUICK, "--split", split, "--overwrite").code == 0


def test_an_unrecorded_split_must_be_declared_which_the_result_records(dfs, ucf, tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    store = tmp_path / "imported.zarr"
    provenance = {"method": "imported", "dataset": "ucf101"}
    with StoreWriter(
        store,
        num_frames=4,
        frame_shape=(3, 43, 43),
        class_names=list(CLASSES[::-1]),
        attributes={"provenance": provenance},
    ) as writer:
        for label in (0, 1):
            writer.append(np.full((2, 3, 43, 43), label, np.float32), [0, 3], label)
    words = ("evaluate", store, "--root", ucf, "--stride", "2", *QUICK)
    outcome = dfs(*words)
    assert outcome.code == 2
    assert "does not record which official split of ucf101" in outcome.stderr
    outcome = dfs(*words, "--hold-out", "0.5")
    assert outcome.code == 2
    assert "does not record that it was condensed with --hold-out 0.5" in outcome.stderr
    outcome = dfs(*words, "--split", "2")
    assert outcome.code == 0, outcome.stderr
    assert "split   2, declared by --split" in outcome.stdout
    (kept,) = tmp_path.glob("*.json")
    assert kept.name == "imported.zarr.convnet3d-paper-0-runs1-split2-stride2.json"
    test = json.loads(kept.read_text())["test"]
    assert (test["split"], test["split_declared"]) == (2, True)


def test_a_merged_store_with_reordered_classes_is_evaluated(dfs, ucf, condensed, tmp_path):
    parts = [condensed("--classes", name, name=f"{name}.zarr") for name in CLASSES[::-1]]
    merged = tmp_path / "merged.zarr"
    assert dfs("merge", *parts, merged).code == 0
    with open_store(merged) as store:
        assert store.class_names == list(CLASSES[::-1])
    found = dfs("evaluate", merged, "--root", ucf, *QUICK, "--json").document
    assert found["class_names"] == list(CLASSES)
    assert found["test"]["split"] == 1


def test_every_run_draws_its_own_random_starts(dfs, ucf, condensed, tmp_path):
    store = condensed()
    words = ("evaluate", store, "--root", ucf, "--epochs", "0", "--device", "cpu", "--runs", "2")
    assert dfs(*words, "-q").code == 0
    assert dfs(*words, "-q", "--protocol", "strict").code == 0
    (entry,) = (tmp_path / "cache").glob("ucf101-test-*")  # the centre clips are in it
    assert json.loads((entry / "index.json").read_text())["shape"][1] == 1 + 2 * 3
    assert dfs(*words, "-q", "--seed", "1").code == 0
    assert len(list((tmp_path / "cache").glob("ucf101-test-*"))) == 2
