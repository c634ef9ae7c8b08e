"""`dfs merge` joins stores, and reports those that do not match."""

from dfs_store import open_store
from tests.cli.conftest import write_store


def test_two_stores_become_one(dfs, tmp_path):
    write_store(tmp_path / "a.zarr")
    write_store(tmp_path / "b.h5", dtype="uint8", num_clips=5)
    out = tmp_path / "m.zarr"
    document = dfs("merge", tmp_path / "a.zarr", tmp_path / "b.h5", out, "--json").document
    assert document["schema"] == "dfs.merge/1"
    assert document["num_clips"] == len(open_store(out)) == 8
    assert [one["num_clips"] for one in document["stores"]] == [3, 5]
    assert dfs("merge", tmp_path / "a.zarr", tmp_path / "b.h5", out).code == 2
    again = dfs("merge", tmp_path / "a.zarr", tmp_path / "b.h5", out, "--overwrite", "--dtype", "float16")
    assert "8 clips (3 + 5), 3 classes" in again.stdout
    assert open_store(out).dtype == "float16"


def test_the_text_names_the_encoding(dfs, tmp_path):
    for num_clips, name in ((3, "a"), (5, "b")):
        write_store(tmp_path / f"{name}.zarr", dtype="uint8", num_clips=num_clips)
        dfs("convert", tmp_path / f"{name}.zarr", tmp_path / f"{name}.h5", "--encoding", "webp:90")
    merged = dfs("merge", tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "m.h5")
    assert "key frames, webp, " in merged.stdout
    assert open_store(tmp_path / "m.h5").frame_encoding == "webp"


def test_one_store_is_not_enough(dfs, store, tmp_path):
    outcome = dfs("merge", store, tmp_path / "m.zarr")
    assert outcome.code == 2
    assert "at least two" in outcome.stderr
