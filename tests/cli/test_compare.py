"""`dfs compare` on two classes of four frames."""

import json
import signal
import subprocess
import sys
import time

import pytest

from dfs_store import open_store
from tests.videos.making import make_folder

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


def wait_for(ready, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def cells(folder):
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/result.json")}


def test_every_cell_is_run_once_and_equals_the_single_commands(compare, dfs, tmp_path):
    words = ("--methods", "random,dfs", "--vpc", "1", "--seeds", "2", "--controls", "none")
    first = compare(*words)
    assert first.code == 0, first.stderr
    assert "4 cells in 2 rows: about" in first.stderr
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


def test_a_different_comparison_in_the_folder_is_refused_by_name(compare, tmp_path):
    words = ("--methods", "random", "--seeds", "1", "--controls", "none")
    assert compare(*words, "--vpc", "1", short=EVALUATION).code == 0
    refused = compare(*words, "--vpc", "1,2", short=EVALUATION)
    assert refused.code == 2
    assert "--vpc was 1, is now 1,2" in refused.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    assert (
        "does not contain compare.json" in compare(*words, "--vpc", "1", out="mine", short=EVALUATION).stderr
    )


def test_a_failed_cell_is_recorded_and_the_others_continue(compare, tmp_path, monkeypatch):
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
    assert found["equal-bytes"]["vpc"] > 1  # encoded clips are smaller
    assert found["still"]["storage"]["num_key_frames"] == 2
    assert found["equal-passes"]["passes"] == 1
    assert found["whole"]["num_train_clips"] == 200
    assert "trial" in found  # chosen on a hold-out, so not in a table
    assert "trial" not in outcome.stdout


def test_a_dry_run_lists_rows_and_writes_nothing(compare, tmp_path):
    vary = ("--vary", "warmup=0,0.2", "--vary", "model=convnet3d,cnn-gru")
    content = compare("--methods", "random,dfs", "--vpc", "1", *vary, "--dry-run", "--json").document
    assert content["forecast_seconds"] > 0
    names = {name.removesuffix("-seed0") for name in content["cells"] if name.endswith("seed0")}
    assert sum(name.startswith("dfs") for name in names) == 4
    assert sum(name.startswith("random") for name in names) == 2  # warmup has no effect on random clips
    assert not (tmp_path / "c").exists()


def test_a_budget_gives_methods_equal_bytes(compare):
    words = ("--vpc", "1", "--controls", "none", "--dry-run", "--json")
    budget = ("--methods", "random,pack", "--budget", "30KiB")
    names = compare(*budget, *words, short=EVALUATION).document["cells"]
    assert any("key_frames=2" in name for name in names if name.startswith("random"))
    assert any("budget=30KiB" in name for name in names if name.startswith("pack"))
    refused = compare("--methods", "dm", *words, "--budget", "1KiB")
    assert refused.code == 2
    assert "needs at least" in refused.stderr


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
        (("--methods", "dfs", "--vpc", "1", "--set", "seed=1"), "which `dfs compare` sets itself"),
        (("--methods", "dfs", "--vpc", "1", "--set", "lr=much"), "must be a number"),
        (("--methods", "dfs", "--vpc", "1", "--vary", "lr"), "SETTING=a,b,c"),
        (("--table", "7"), "--table must be one of"),
        (("--methods", "dfs", "--vpc", "1", "--labels", "soft"), "add --set soft_labels=true"),
        (("--methods", "dfs", "--vpc", "all"), "--vpc all keeps every real clip"),
        (("--methods", "dfs", "--vpc", "1", "--vary", "metric=cosine,l3"), "--metric must be one of"),
    ],
)
def test_invalid_comparisons_are_refused(compare, words, said, tmp_path):
    outcome = compare(*words)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert not (tmp_path / "c").exists()


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """Returns the options for two lists beside a folder of videos, with class numbers and class names."""
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "videos", ("x", "y"), clips=4)
    for part, clips in (("train", (0, 1)), ("test", (2, 3))):
        rows = [f"{name}/clip{n}.avi {label}\n" for label, name in enumerate("xy") for n in clips]
        (tmp_path / f"{part}.txt").write_text("".join(rows))
    (tmp_path / "names.txt").write_text("left\nright\n")
    return (
        "--dataset", tmp_path / "train.txt", "--root", tmp_path / "videos",
        "--test-list", tmp_path / "test.txt", "--class-names", tmp_path / "names.txt",
    )  # fmt: skip


def test_a_list_reaches_every_cell_and_the_specification(dfs, lists, tmp_path):
    words = (*lists, "--frames", "4", "--stride", "1", "--size", "43", "--device", "cpu", *EVALUATION)
    words += ("--methods", "random,pack", "--vpc", "1", "--seeds", "1", "--controls", "none")
    planned = dfs("compare", *words, "--out", tmp_path / "c", "--dry-run", "--json").document
    assert planned["rough"]  # the videos are not prepared
    assert planned["forecast_parts"]["decoding"] > 0
    assert not (tmp_path / "cache").exists()
    outcome = dfs("compare", *words, "--out", tmp_path / "c", "--json")
    assert outcome.code == 0, outcome.stderr
    kept = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert kept["test_list"] == str(tmp_path / "test.txt")
    assert kept["class_names"] == str(tmp_path / "names.txt")
    assert [cell["state"] for cell in outcome.document["cells"]] == ["done", "done"]
    assert [row["num_test_clips"] for row in outcome.document["rows"]] == [4, 4]
    with open_store(next((tmp_path / "c").glob("random*/store.zarr"))) as store:
        assert store.class_names == ["left", "right"]
    (tmp_path / "other.txt").write_text((tmp_path / "test.txt").read_text())
    changed = [tmp_path / "other.txt" if word == tmp_path / "test.txt" else word for word in words]
    refused = dfs("compare", *changed, "--out", tmp_path / "c")
    assert refused.code == 2
    assert "--test-list" in refused.stderr


def test_the_folder_layout_reaches_every_cell(dfs, tmp_path, monkeypatch):
    """Folders called train and test are classes here."""
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "videos", ("train", "test"), clips=4)
    words = ("--dataset", tmp_path / "videos", "--folder-layout", "classes", "--hold-out", "0.5")
    words += ("--frames", "4", "--stride", "1", "--size", "43", "--device", "cpu", *EVALUATION)
    words += ("--methods", "random", "--vpc", "1", "--seeds", "1", "--controls", "none", "--json")
    outcome = dfs("compare", *words, "--out", tmp_path / "c")
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["specification"]["folder_layout"] == "classes"
    with open_store(next((tmp_path / "c").glob("*/store.zarr"))) as store:
        assert store.class_names == ["test", "train"]


def test_soft_labels_are_listed_beside_hard_ones_even_for_random(compare, short_training):
    words = ("--methods", "dfs", "--vpc", "1", "--seeds", "1", "--controls", "equal-clips", "--json")
    outcome = compare(*words, "--set", "soft_labels=true")
    assert outcome.code == 0, outcome.stderr
    rows = {(row["method"], row["labels"]): row for row in outcome.document["rows"]}
    assert set(rows) == {(method, kind) for method in ("dfs", "random") for kind in ("hard", "soft")}
    assert rows["dfs", "soft"]["over_random"] is not None


def test_vpc_all_keeps_every_real_clip(compare):
    words = ("--methods", "random,pack", "--vpc", "all", "--seeds", "1", "--json")
    words += ("--controls", "equal-clips,equal-passes,whole")
    outcome = compare(*words, "--set", "encoding=webp:0", "--set", "random.key_frames=2", short=EVALUATION)
    assert outcome.code == 0, outcome.stderr
    rows = [row for row in outcome.document["rows"] if row["vpc"] == "all"]
    assert {row["method"] for row in rows} == {"random", "pack"}
    assert {row["num_train_clips"] for row in rows} == {200}
    controls = {row["control"] for row in outcome.document["rows"]}
    assert "whole" in controls
    assert not controls & {"equal-clips", "equal-passes"}  # they would contain the whole dataset again


def test_ctrl_c_during_a_cell_exits_with_130_and_the_next_run_continues(tmp_path):
    words = [*DATA, *EVALUATION, "--methods", "dfs", "--vpc", "1", "--seeds", "1", "--controls", "none"]
    words += ["--set", "iterations=24", "--set", "batch_real=2", "--out", str(tmp_path / "c")]
    command = [sys.executable, "-m", "dfs_store.cli", "compare", *words]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = next(iter(wait_for(lambda: list((tmp_path / "c").glob("*/*.jsonl")))))
    wait_for(lambda: log.read_text().count("step_done") > 3)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=120)
    assert started.returncode == 130, said
    assert "run the same command again to continue" in said
    assert list((tmp_path / "c").glob("*/*.checkpoint.npz"))
    steps = log.read_text().count("step_done")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "dfs" in again.stdout
    assert log.read_text().count("step_done") == 24, f"{steps} before, so the run went on"
    (result,) = cells(tmp_path / "c").values()
    assert result["cost"]["seconds"] > 0
