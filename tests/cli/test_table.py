"""`dfs table` on results of real evaluations."""

import json

import pytest

SMALL = ("--classes", "still,fast", "--frames", "4", "--size", "43", "--device", "cpu")


@pytest.fixture
def results(dfs, tmp_path):
    store = tmp_path / "s.zarr"
    words = ("--dataset", "moving-shapes", "--vpc", "1", "--method", "random", *SMALL, "--out", store)
    assert dfs("condense", *words).code == 0
    assert dfs("evaluate", store, "--runs", "1", "--epochs", "1", "--device", "cpu").code == 0
    return tmp_path


def test_every_format_shows_the_result(dfs, results):
    (file,) = results.glob("*.json")
    text = dfs("table", file).stdout
    title = "moving-shapes (2 classes, chance 50.0 %), 80 clips of 4x43x43, convnet3d, protocol paper, 1 run"
    assert f"{title} of 1 epoch, top-1" in text
    assert "±" not in text
    assert "random" in text
    assert dfs("table", results, "--format", "markdown").stdout.count("| random |") == 1
    assert dfs("table", results, "--format", "csv").stdout.startswith("label,control,settings,")
    content = dfs("table", results, "--json").document
    assert content["schema"] == "dfs.table/1"
    (row,) = content["rows"]
    assert row["percent_of_dense"] == pytest.approx(100, abs=1)
    assert row["mean"] == json.loads(file.read_text())["top1"]["mean"]
    drawn = dfs("table", results, "--plot", results / "p.png")
    assert drawn.code == 0
    assert (results / "p.png").read_bytes().startswith(b"\x89PNG")


def test_bad_input_is_refused(dfs, results):
    assert dfs("table", results, "--format", "html").code == 2
    assert dfs("table", results / "none.json").code == 3
    assert dfs("table").code == 2
