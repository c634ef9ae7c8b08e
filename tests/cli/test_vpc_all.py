"""`--vpc all` keeps every real clip, even if classes differ in size, and every command supports it."""

import json

import numpy as np
import pytest

from dfs_store import open_store
from tests.videos.making import make_folder, make_video

CUT = ("--frames", "4", "--stride", "1", "--size", "43", "--device", "cpu")
QUICK = ("--runs", "1", "--epochs", "0", "--protocol", "strict", "--device", "cpu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Makes two classes: three clips of x, five of y, and one test clip each."""
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    root = make_folder(tmp_path / "videos" / "train", ("x", "y"), clips=3)
    for number in (3, 4):
        make_video(root / "y" / f"clip{number}.avi")
    make_folder(tmp_path / "videos" / "test", ("x", "y"), clips=1)
    return tmp_path / "videos"


@pytest.fixture
def condense(dfs, folder, tmp_path):
    def run(*words, out="s.zarr"):
        return dfs("condense", "--dataset", folder, *CUT, "--vpc", "all", "--out", tmp_path / out, *words)

    return run


@pytest.mark.parametrize("method", ["random", "herding", "k-center", "pack"])
def test_every_clip_is_kept_and_no_extractor_is_trained(condense, dfs, tmp_path, method):
    words = ("--method", method, *(("--key-frames", "2") if method == "pack" else ()))
    made = condense(*words)
    assert made.code == 0, made.stderr
    assert "training a network" not in made.stderr
    assert not (tmp_path / "cache" / "extractors").exists()
    with open_store(tmp_path / "s.zarr") as store:
        assert np.bincount(store.labels).tolist() == [3, 5]
        assert len({source["file"] for source in store.attributes["provenance"]["sources"]}) == 8
    shown = dfs("inspect", tmp_path / "s.zarr", "--json").document
    assert shown["provenance"]["vpc"] == "all"
    assert shown["provenance"]["config"]["vpc"] == "all"
    assert "extractor" not in shown["provenance"]["config"]
    assert shown["num_clips"] == 8
    assert shown["storage"]["source_bytes"] > 0


def test_a_dry_run_counts_all_clips(condense, tmp_path):
    plan = condense("--method", "pack", "--budget", "100KiB", "--dry-run", "--json").document
    assert (plan["num_clips"], plan["settings"]["vpc"]) == (8, "all")
    assert plan["most_bytes"] <= 100 * 1024
    assert plan["forecast_seconds"] > 0
    assert not (tmp_path / "s.zarr").exists()


def test_a_budget_is_distributed_over_all_clips(condense, tmp_path):
    made = condense("--method", "pack", "--budget", "6KiB", "--encoding", "webp:0")
    assert made.code == 0, made.stderr
    with open_store(tmp_path / "s.zarr") as store:
        assert len(store) == 8
        assert store.storage.key_frame_bytes + store.storage.index_bytes <= 6 * 1024


def test_evaluation_table_and_report_support_it(condense, dfs, tmp_path):
    assert condense("--method", "random", "--key-frames", "2").code == 0
    assert dfs("evaluate", tmp_path / "s.zarr", *QUICK, "--results", tmp_path / "r.json").code == 0
    assert json.loads((tmp_path / "r.json").read_text())["num_train_clips"] == 8
    table = dfs("table", tmp_path / "r.json")
    assert table.code == 0
    assert "all" in table.stdout.splitlines()[2].split()
    assert dfs("report", tmp_path / "s.zarr", "--out", tmp_path / "s.html").code == 0


def test_a_settings_file_supports_it(dfs, folder, tmp_path):
    (tmp_path / "run.toml").write_text(f'dataset = "{folder}"\nmethod = "random"\nvpc = "all"\n')
    made = dfs("condense", "--config", tmp_path / "run.toml", *CUT, "--out", tmp_path / "s.zarr")
    assert made.code == 0, made.stderr
    with open_store(tmp_path / "s.zarr") as store:
        assert len(store) == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "dfs"), "--vpc all keeps every real clip, but method dfs makes its own clips"),
        (("--method", "dm"), "or choose --method herding or k-center or pack or random"),
        (("--method", "static-dynamic"), "pass a number"),
        (("--method", "random", "--vpc", "each"), "the number of clips per class, or all, got 'each'"),
        (("--method", "random", "--vpc", "0"), "--vpc must be at least 1, got 0"),
    ],
)
def test_unsupported_methods_and_values_are_refused(condense, tmp_path, words, said):
    outcome = condense(*words)
    assert outcome.code == 2
    assert said in " ".join(outcome.stderr.replace("│", " ").split())
    assert not (tmp_path / "s.zarr.events.jsonl").exists()
