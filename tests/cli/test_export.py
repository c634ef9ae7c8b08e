"""`dfs export` prints what it wrote, what was clipped, and which folders were renamed."""

import json

from tests.cli.conftest import write_store
from tests.exchange.making import write_smooth_store


def test_the_document_has_files_bytes_and_clips(dfs, store, tmp_path):
    out = tmp_path / "clips"
    document = dfs("export", store, "--to", "videos", "--out", out, "--classes", "a,b", "--json").document
    assert document["schema"] == "dfs.export/1"
    assert (document["clips"], document["files"]) == (2, 4)
    written = [file for file in out.rglob("*") if file.is_file() and file.name != "dfs-export.json"]
    assert document["bytes"] == sum(file.stat().st_size for file in written)
    assert json.loads((out / "dfs-export.json").read_text())["classes"][1]["class_name"] == "b"
    assert dfs("export", store, "--to", "videos", "--out", out).code == 2
    again = dfs("export", store, "--to", "videos", "--out", out, "--overwrite", "--fps", "30")
    assert "3 clips as videos (h264)" in again.stdout
    assert "outside the range of pixels and were clipped" in again.stderr


def test_renamed_folders_are_reported(dfs, tmp_path):
    write_smooth_store(tmp_path / "s.zarr", class_names=["../x", "ok"], clips_per_class=1, size=(8, 8))
    done = dfs("export", tmp_path / "s.zarr", "--to", "frames", "--out", tmp_path / "f")
    assert "'../x' is '_x'" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "s.zarr"]


def test_invalid_values_exit_with_2(dfs, tmp_path):
    store = write_store(tmp_path / "s.h5")
    for words in (("gif",), ("videos", "--encoding", "png"), ("webdataset", "--shard-size", "many")):
        assert dfs("export", store, "--to", *words, "--out", tmp_path / "o").code == 2
    assert dfs("export", tmp_path / "no.h5", "--to", "videos", "--out", tmp_path / "o").code == 3
