"""`dfs compare`, on two classes of four frames: what it makes, continues, records and refuses."""

import json

import pytest

from dfs_store import open_store

DATA = (
    "--dataset",
    "moving-shapes",
    "--classes",
    "still,fast",
    "--frames",
    "4",
    "--size",
    "43",
    "--device",
    "cpu",
)
EVALUATION = ("--runs", "1", "--epochs", "0", "--protocol", "strict")
SHORT = (*EVALUATION, "--set", "iterations=2", "--set", "batch_real=2")


@pytest.fixture
def compare(dfs, tmp_path):
    def run(*words, out="c", short=SHORT):
        return dfs("compare", *DATA, *short, "--out", tmp_path / out, *words)

    return run


def cells(folder):
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/result.json")}


def test_every_cell_is_made_once_and_equals_the_single_commands(compare, dfs, tmp_path):
    words = ("--methods", "random,dfs", "--vpc", "1", "--seeds", "2", "--controls", "none")
    first = compare(*words)
    assert first.code == 0, first.stderr
    assert "4 cells of 2 rows: about" in first.stderr
    assert "over random" in first.stdout
    found = cells(tmp_path / "c")
    assert len(found) == 4
    assert {name for name in found if name.startswith("random")} == {"random-vpc1-seed0", "random-vpc1-seed1"}
    for suffix in ("txt", "md", "tex", "csv"):
        assert (tmp_path / "c" / f"table.{suffix}").stat().st_size > 100
    assert (tmp_path / "c" / "accuracy.png").read_bytes().startswith(b"\x89PNG")

    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "c").glob("*/*")}
    again = compare(*words, "--json")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c").glob("*/*")} == times
    content = again.document
    assert content["schema"] == "dfs.compare/1"
    assert {cell["state"] for cell in content["cells"]} == {"done"}
    assert [row["seeds"] for row in content["rows"]] == [2, 2]

    store = tmp_path / "alone.zarr"
    own = ("--method", "dfs", "--vpc", "1", "--seed", "1", "--iterations", "2", "--batch-real", "2")
    assert dfs("condense", *DATA, *own, "--out", store).code == 0
    cell = next(name for name in found if name.startswith("dfs") and name.endswith("seed1"))
    assert open_store(store).content_digest == open_store(tmp_path / "c" / cell / "store.zarr").content_digest
    alone = dfs("evaluate", store, *EVALUATION, "--seed", "1", "--device", "cpu", "--json").document
    assert alone["top1"] == found[cell]["top1"]


def test_another_comparison_in_the_folder_is_refused_by_name(compare, tmp_path):
    words = ("--methods", "random", "--seeds", "1", "--controls", "none")
    assert compare(*words, "--vpc", "1", short=EVALUATION).code == 0
    refused = compare(*words, "--vpc", "1,2", short=EVALUATION)
    assert refused.code == 2
    assert "--vpc 1 there, 1,2 now" in refused.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    assert "has no compare.json" in compare(*words, "--vpc", "1", out="mine", short=EVALUATION).stderr


def test_a_cell_that_fails_is_recorded_and_the_others_go_on(compare, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text(
        "def method(config, videos):\n    raise RuntimeError('no luck')\n    yield\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ("--methods", "broken:method,random", "--vpc", "1", "--seeds", "1", "--controls", "none")
    outcome = compare(*words, "--json", short=EVALUATION)
    assert outcome.code == 1
    states = {cell["method"]: (cell["state"], cell["reason"]) for cell in outcome.document["cells"]}
    assert states["random"] == ("done", None)
    assert states["broken:method"][0] == "failed"
    assert "no luck" in states["broken:method"][1]
    (failure,) = (tmp_path / "c").glob("*/failure.json")
    assert "no luck" in json.loads(failure.read_text())["reason"]
    (tmp_path / "broken.py").write_text("from dfs_store.condense.methods.random import METHOD as method\n")


def test_the_controls_of_the_protocol(compare, tmp_path):
    outcome = compare("--methods", "dfs", "--vpc", "1", "--seeds", "1")
    assert outcome.code == 0, outcome.stderr
    found = {cell["control"]: cell for cell in cells(tmp_path / "c").values()}
    kept = found[None]["storage"]
    assert found["equal-clips"]["storage"]["num_key_frames"] == 2 * 4
    frames = found["equal-frames"]["storage"]["num_key_frames"]
    assert frames >= kept["num_key_frames"]
    assert found["equal-bytes"]["storage"]["on_disk_bytes"] <= kept["on_disk_bytes"]
    assert found["equal-bytes"]["vpc"] > 1  # coded clips are smaller
    assert found["still"]["storage"]["num_key_frames"] == 2
    assert found["equal-passes"]["passes"] == 1
    assert found["whole"]["num_train_clips"] == 200
    assert "trial" in found  # chosen on a hold-out, in no table
    assert "trial" not in outcome.stdout


def test_a_dry_run_lists_rows_and_writes_nothing(compare, tmp_path):
    vary = ("--vary", "warmup=0,0.2", "--vary", "model=convnet3d,cnn-gru")
    content = compare("--methods", "random,dfs", "--vpc", "1", *vary, "--dry-run", "--json").document
    assert content["forecast_seconds"] > 0
    names = {name.removesuffix("-seed0") for name in content["cells"] if name.endswith("seed0")}
    assert sum(name.startswith("dfs") for name in names) == 4
    assert sum(name.startswith("random") for name in names) == 2  # warmup is of no effect on random clips
    assert not (tmp_path / "c").exists()


def test_a_budget_puts_methods_at_equal_bytes(compare):
    words = ("--vpc", "1", "--controls", "none", "--dry-run", "--json")
    budget = ("--methods", "random,pack", "--budget", "30KiB")
    names = compare(*budget, *words, short=EVALUATION).document["cells"]
    assert any("key_frames=2" in name for name in names if name.startswith("random"))
    assert any("budget=30KiB" in name for name in names if name.startswith("pack"))
    refused = compare("--methods", "dm", *words, "--budget", "1KiB")
    assert refused.code == 2
    assert "takes at least" in refused.stderr


def test_a_table_of_the_paper(compare):
    words = ("--table", "6", "--dry-run", "--json", "--controls", "none", "--seeds", "1")
    content = compare(*words).document
    assert len(content["cells"]) == 6
    assert content["specification"]["table"] == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--methods", "random"), "--vpc is missing"),
        (("--methods", "randon", "--vpc", "1"), "random"),
        (("--methods", "random", "--vpc", "one"), "numbers"),
        (("--methods", "random", "--vpc", "1", "--controls", "equal"), "--controls must be one of"),
        (("--methods", "random", "--vpc", "1", "--set", "epsilon=1"), "not used by random"),
        (("--methods", "dfs", "--vpc", "1", "--set", "epsilom=1"), "'epsilon'"),
        (("--methods", "dfs", "--vpc", "1", "--set", "seed=1"), "option of `dfs compare` itself"),
        (("--methods", "dfs", "--vpc", "1", "--set", "lr=much"), "must be a number"),
        (("--methods", "dfs", "--vpc", "1", "--vary", "lr"), "SETTING=a,b,c"),
        (("--table", "7"), "--table must be one of"),
        (("--methods", "dfs", "--vpc", "1", "--vary", "metric=cosine,l3"), "--metric must be one of"),
    ],
)
def test_what_makes_no_comparison_is_refused(compare, words, said, tmp_path):
    outcome = compare(*words)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert not (tmp_path / "c").exists()
