"""`dfs convert` prints what the copy lost and its size."""

from dfs_store import open_store
from tests.exchange.making import write_smooth_store


def test_converting_the_dtype_prints_the_error_and_sizes(dfs, store, tmp_path):
    out = tmp_path / "copy.h5"
    text = dfs("convert", store, out, "--dtype", "float16")
    assert text.code == 0
    assert "float32 to float16: largest error" in text.stdout
    assert "grey levels of 255" in text.stdout
    assert open_store(out).dtype == "float16"
    assert dfs("convert", store, out).code == 2  # it already exists
    document = dfs(
        "convert", store, out, "--dtype", "uint8", "--classes", "a,c", "--overwrite", "--json"
    ).document
    assert document["schema"] == "dfs.convert/1"
    assert document["after"]["num_clips"] == 2
    assert 0 < document["error"]["root_mean_square"] < document["error"]["largest"] < 0.02
    assert document["before"]["storage"]["on_disk_bytes"] == open_store(store).storage.on_disk_bytes


def test_the_same_dtype_is_copied_bit_for_bit(dfs, store, tmp_path):
    assert "every frame is an exact copy" in dfs("convert", store, tmp_path / "copy.zarr").stdout
    first, second = open_store(store), open_store(tmp_path / "copy.zarr")
    assert first.attributes["digest"] == second.attributes["digest"]


def test_encoding_prints_its_loss_and_clips_can_be_left_out(dfs, tmp_path):
    source, out = write_smooth_store(tmp_path / "s.zarr"), tmp_path / "coded.zarr"
    text = dfs("convert", source, out, "--encoding", "webp:60")
    assert "float32 to webp: largest error" in text.stdout
    assert " dB)" in text.stdout
    assert "encoded as webp, quality 60, key frames" in dfs("inspect", out).stdout
    document = dfs("inspect", out, "--json").document
    assert document["frame_encoding"] == {"name": "webp", "unit": "frame"}
    assert document["storage"]["key_frame_bytes"] < document["storage"]["dense_uint8_bytes"] / 8
    fewer = dfs("convert", out, tmp_path / "fewer.h5", "--without", "0,2-3", "--json").document
    assert (fewer["before"]["num_clips"], fewer["after"]["num_clips"]) == (4, 1)
    assert fewer["error"] is None  # image files are copied
    with open_store(out) as store, open_store(tmp_path / "fewer.h5") as copy:
        assert copy.coded_clip(0) == store.coded_clip(1)
    again = dfs("convert", out, tmp_path / "small.zarr", "--encoding", "webp:10", "--json").document
    assert again["error"]["psnr"] > 25


def test_invalid_values_are_refused(dfs, store, tmp_path):
    out = tmp_path / "copy.h5"
    for words, code, said in (
        (("--classes", "nope"), 2, "a, b, c"),
        (("--dtype", "int4"), 2, "float32, float16, uint8"),
        (("--compression", "zstd"), 2, "gzip"),
        (("--encoding", "png"), 2, "webp[:QUALITY]"),
        (("--encoding", "webp", "--dtype", "float16"), 2, "must be uint8"),
        (("--without", "1-x"), 2, "ranges"),
        (("--without", "99"), 2, "got 99"),
        (("--without", "0-2"), 2, "no clips are left"),
    ):
        outcome = dfs("convert", store, out, *words)
        assert (outcome.code, said in outcome.stderr) == (code, True)
    assert dfs("convert", tmp_path / "nothing.zarr", out).code == 3
    assert not out.exists()
