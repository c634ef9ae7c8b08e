"""`dfs report`."""

import json
import re

import numpy as np
import pytest

from dfs_store import StoreWriter, open_store
from tests.cli.conftest import write_store


def result(digest=None, **changes):
    score = {"mean": 40.0, "std": 1.0, "runs": [39.0, 41.0]}
    found = {
        "schema": "dfs.evaluate/1", "model": "convnet3d", "protocol": "paper", "runs": 2, "epochs": 7,
        "passes": 8, "num_classes": 3, "chance": 40.0, "test": {"dataset": "made-up", "num_clips": 9},
        "top1": score, "top5": score, "per_class": {"a": 50.0},
    }  # fmt: skip
    return json.dumps({**found, **({"digest": digest} if digest else {}), **changes})


def test_a_page(dfs, store, tmp_path):
    out = tmp_path / "s.html"
    done = dfs("report", store, "--out", out, "--json")
    assert done.code == 0, done.stderr
    assert done.document["schema"] == "dfs.report/1"
    assert done.document["ok"] is True
    assert done.document["clips"] == [0, 1, 2]
    page = out.read_text()
    assert len(page.encode()) == done.document["size_bytes"]
    assert not re.search(r"""(src|href)=["'](?!#)|url\((?!["']?data:)|@import|fetch\(""", page)
    again = dfs("report", store, "--out", out)
    assert again.code == 2
    assert "--overwrite" in again.stderr


def test_evaluations_beside_the_store_are_shown_and_stale_ones_named(dfs, tmp_path):
    store = write_store(tmp_path / "s.zarr")
    with open_store(store) as opened:
        digest = opened.attributes["digest"]
    (tmp_path / "s.zarr.good.json").write_text(result(digest))
    (tmp_path / "s.zarr.old.json").write_text(result("another"))
    (tmp_path / "s.zarr.other.json").write_text("{}")
    (tmp_path / "s.zarr.part.json").write_text('{"schema": "dfs.evaluate/1"}')
    (tmp_path / "s.zarr.zip.its-own.json").write_text(result("another"))
    (tmp_path / "s.zarr.folder.json").mkdir()
    (tmp_path / "s.zarr.link.json").symlink_to("nowhere")
    done = dfs("report", store, "--out", tmp_path / "s.html", "--json")
    assert done.document["results"] == ["s.zarr.good.json"]
    old, part = done.document["results_left_out"]
    assert old == "s.zarr.old.json (made from an earlier store at this path)"
    assert part.startswith("s.zarr.part.json (incomplete: top1.mean must be a percentage")
    page = (tmp_path / "s.html").read_text()
    assert "40.0 ± 1.0 %" in page
    assert "s.zarr.old.json" in page


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{}", 3, "is not a complete result of `dfs evaluate`"),
        ("[" * 5000, 3, "is not a complete result of `dfs evaluate`"),
        (None, 3, "cannot be read"),
        (result(top1={"mean": 1.0}), 3, "top1.std must be a percentage, got None"),
        (result(top1={"mean": "12", "std": 0}), 3, "top1.mean must be a percentage, got '12'"),
        (result(top5={"mean": 1e400, "std": 0}), 3, "Infinity is not a JSON number"),
        (result(num_classes=0), 3, "num_classes must be a whole number of at least 1, got 0"),
        (result(passes=1.5), 3, "passes must be a whole number"),
        (result(test={"dataset": "x", "num_clips": "10"}), 3, "test.num_clips must be a whole number"),
        (result(test=None), 3, "test.num_clips must be a whole number"),
        (result(chance=None), 3, "chance must be a percentage"),
        (result(per_class={"a": "x"}), 3, "per_class.a must be a percentage"),
        (result(model=["x"]), 3, "model must be a string"),
    ],
)
def test_invalid_results_are_refused(dfs, tmp_path, text, code, message):
    store, file = write_store(tmp_path / "s.zarr"), tmp_path / "r.json"
    if text is not None:
        file.write_text(text)
    done = dfs("report", store, "--out", tmp_path / "s.html", "--results", file)
    assert done.code == code
    assert message in done.stderr
    assert not (tmp_path / "s.html").exists()


def test_the_page_of_a_damaged_store_lists_the_damage(dfs, tmp_path):
    store = write_store(tmp_path / "s.zarr")
    (shard,) = (file for file in (store / "key_frames").rglob("c*") if file.is_file())
    data = bytearray(shard.read_bytes())
    data[5] ^= 255
    shard.write_bytes(data)
    done = dfs("report", store, "--out", tmp_path / "s.html")
    assert done.code == 1
    page = (tmp_path / "s.html").read_text()
    assert "This clip is damaged" in page
    assert "clip 0 (a), position 0" in page


def test_some_clips_of_each_class_are_shown_if_there_are_many(dfs, tmp_path):
    path = tmp_path / "s.h5"
    with StoreWriter(path, num_frames=4, frame_shape=(3, 4, 4), class_names=["a", "b"]) as writer:
        for clip in range(500):
            writer.append(np.zeros((2, 3, 4, 4), np.float32), [0, 3], clip // 250)
    done = dfs("report", path, "--out", tmp_path / "s.html", "--json")
    assert done.document["clips"] == [*range(30), *range(250, 280)]
    every = dfs("report", path, "--out", tmp_path / "e.html", "--per-class", 250, "--json")
    assert len(every.document["clips"]) == 500
