"""`dfs convert` says what the copy lost and what it takes."""

from dfs_store import open_store


def test_another_dtype_comes_with_its_error_and_sizes(dfs, store, tmp_path):
    out = tmp_path / "copy.h5"
    text = dfs("convert", store, out, "--dtype", "float16")
    assert text.code == 0
    assert "float32 to float16: largest error" in text.stdout
    assert "grey levels of 255" in text.stdout
    assert open_store(out).dtype == "float16"
    assert dfs("convert", store, out).code == 2  # it stands there already
    document = dfs(
        "convert", store, out, "--dtype", "uint8", "--classes", "a,c", "--overwrite", "--json"
    ).document
    assert document["schema"] == "dfs.convert/1"
    assert document["after"]["num_clips"] == 2
    assert 0 < document["error"]["root_mean_square"] < document["error"]["largest"] < 0.02
    assert document["before"]["storage"]["on_disk_bytes"] == open_store(store).storage.on_disk_bytes


def test_the_same_dtype_is_copied_bit_by_bit(dfs, store, tmp_path):
    assert "bit by bit" in dfs("convert", store, tmp_path / "copy.zarr").stdout
    first, second = open_store(store), open_store(tmp_path / "copy.zarr")
    assert first.attributes["digest"] == second.attributes["digest"]


def test_nonsense_is_refused(dfs, store, tmp_path):
    out = tmp_path / "copy.h5"
    for words, code, said in (
        (("--classes", "nope"), 2, "a, b, c"),
        (("--dtype", "int4"), 2, "float32, float16, uint8"),
        (("--compression", "zstd"), 2, "gzip"),
    ):
        outcome = dfs("convert", store, out, *words)
        assert (outcome.code, said in outcome.stderr) == (code, True)
    assert dfs("convert", tmp_path / "nothing.zarr", out).code == 3
    assert not out.exists()
