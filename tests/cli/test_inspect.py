"""`dfs inspect`."""

import pytest

from tests.cli.conftest import write_store


def test_the_document_has_the_promised_keys(dfs, store):
    outcome = dfs("inspect", store, "--json")
    assert outcome.code == 0
    content = outcome.document
    assert next(iter(content)) == "schema"
    assert content["schema"] == "dfs.inspect/1"
    assert content["format_version"] == "1.0"
    assert content["container"] == ("zarr" if store.suffix == ".zarr" else "hdf5")
    assert content["method"] == "dfs"
    assert content["dataset"] == "made-up"
    assert content["num_classes"] == 3
    assert content["class_names"] == ["a", "b", "c"]
    assert (content["num_clips"], content["num_frames"]) == (3, 8)
    assert content["frame_shape"] == [3, 6, 5]
    assert content["dtype"] == "float32"
    assert content["read_path"] == "fast"
    assert content["num_key_frames"] == 9
    assert content["key_frames_per_clip"] == {
        "min": 2, "mean": 3.0, "max": 4, "histogram": {"2": 1, "3": 1, "4": 1}
    }  # fmt: skip
    storage = content["storage"]
    assert storage["num_key_frames"] == 9
    assert storage["key_frame_bytes"] == storage["float32_bytes"] == 9 * 90 * 4
    assert storage["dense_bytes"] == 3 * 8 * 90 * 4
    assert storage["on_disk_bytes"] > storage["key_frame_bytes"]
    assert storage["native_bytes"] is None
    assert content["provenance"]["seed"] == 3


@pytest.mark.parametrize(("dtype", "itemsize"), [("float32", 4), ("float16", 2), ("uint8", 1)])
def test_the_text_shows_the_sizes(dfs, tmp_path, dtype, itemsize):
    path = write_store(tmp_path / "s.zarr", dtype)
    text = dfs("inspect", path).stdout
    assert f"{path}: 3 clips of 8x6x5, 3 classes, 9 key frames" in text
    assert f"({9 * 90 * itemsize:,} bytes)" in text
    assert f"1.0, zarr, {dtype}" in text
    assert f"{100 * 9 * itemsize / (3 * 8 * 4):.2f} %" in text
    assert "a      1      2           2.00" in text


def test_quiet_is_one_line_and_verbose_shows_provenance(dfs, store):
    assert dfs("inspect", store, "-q").stdout.count("\n") == 1
    assert '"dataset": "made-up"' in dfs("inspect", store, "-v").stdout


def test_many_classes_are_abridged_unless_verbose(dfs, tmp_path):
    import numpy as np

    from dfs_store import StoreWriter

    names = [f"class{n:03d}" for n in range(30)]
    with StoreWriter(tmp_path / "s.h5", num_frames=2, frame_shape=(1, 2, 2), class_names=names) as writer:
        for label in range(30):
            writer.append(np.zeros((2, 1, 2, 2)), [0, 1], label)
    text = dfs("inspect", tmp_path / "s.h5").stdout
    assert "class019" in text
    assert "class020" not in text
    assert "10 more" in text
    assert "not recorded" in text  # no provenance
    assert "class029" in dfs("inspect", tmp_path / "s.h5", "-v").stdout


def test_a_store_with_a_different_chunk_layout_is_read_generally_until_converted(dfs, store, tmp_path):
    compressed, back = tmp_path / f"gzip{store.suffix}", tmp_path / f"back{store.suffix}"
    assert dfs("convert", store, compressed, "--compression", "gzip").code == 0
    assert dfs("inspect", compressed, "--json").document["read_path"] == "general"
    assert "general: compressed or laid out by another tool" in dfs("inspect", compressed).stdout
    assert dfs("verify", compressed).code == 0
    assert dfs("convert", compressed, back).code == 0
    assert dfs("inspect", back, "--json").document["read_path"] == "fast"
