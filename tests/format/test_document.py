"""The programs in docs/format.md are extracted and run."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from dfs_store.format import open_store
from dfs_store.format.checks.verify import verify
from dfs_store.format.spec import FORMAT_VERSION, SMALL_ARRAYS
from tests.format.making import content, write_encoded

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"
EXAMPLE = DOCUMENT.parent / "assets" / "figures.zarr.zip"


def opened_by_others(path):
    return h5py.File(path) if path.suffix == ".h5" else zarr.open_group(path, mode="r")


@pytest.fixture(scope="module")
def programs():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
    return names


def test_the_documented_readers_rebuild_the_same_clips_as_the_library(tmp_path, container, dtype, programs):
    path = tmp_path / f"s.{container}"
    content(dtype).write(path)
    store, opened = open_store(path), opened_by_others(path)
    for number in range(len(store)):
        clip, label = programs["read_clip"](opened, number)
        np.testing.assert_allclose(clip, store.clip(number), rtol=1e-5, atol=1e-5)
        assert label == store.labels[number]


def test_the_documented_readers_have_about_ten_lines():
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[:2]:
        lines = [line for line in block.splitlines() if line and not line.startswith(("import", "from"))]
        assert len(lines) <= 12  # ten or eleven, plus the def


@pytest.mark.parametrize("encoding", ["webp", "avif"])
@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_the_documented_reader_of_encoded_frames_rebuilds_the_same_clips(
    tmp_path, suffix, encoding, programs
):
    path = tmp_path / f"s.{suffix}"
    write_encoded(path, encoding)
    store, opened = open_store(path), opened_by_others(path)
    for number in range(len(store)):
        clip, label = programs["read_encoded_clip"](opened, number)
        np.testing.assert_allclose(clip, store.clip(number), rtol=1e-5, atol=1e-5)
        assert label == store.labels[number]
    assert programs["digest_of"](opened) == store.attributes["digest"]


def test_the_example_store_is_small_and_intact():
    assert EXAMPLE.stat().st_size < 50_000
    assert not list(verify(EXAMPLE))


def test_the_documented_reader_needs_only_zarr_pillow_and_numpy(tmp_path):
    program = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[1]
    program += """
import sys, zarr
sys.modules.update(dfs_store=None, torch=None, av=None, h5py=None)  # importing one raises ImportError
path, out = sys.argv[1:]
store = zarr.open_group(zarr.storage.ZipStore(path), mode="r")
clips, labels = zip(*(read_encoded_clip(store, clip) for clip in range(16)))
np.savez(out, clips=np.stack(clips), labels=labels)
"""
    out = tmp_path / "clips.npz"
    subprocess.run([sys.executable, "-c", program, str(EXAMPLE), str(out)], check=True)
    with open_store(EXAMPLE) as store, np.load(out) as read:
        assert len(store) == 16
        assert store.attributes["provenance"]["method"] == "dfs"
        np.testing.assert_array_equal(read["labels"], store.labels)
        for number in range(len(store)):
            np.testing.assert_allclose(read["clips"][number], store.clip(number), rtol=1e-5, atol=1e-5)


def test_the_documented_digest_program_computes_the_stored_digest(tmp_path, container, dtype, programs):
    path = tmp_path / f"s.{container}"
    content(dtype).write(path)
    assert programs["digest_of"](opened_by_others(path)) == open_store(path).attributes["digest"]


def test_the_document_names_the_version_and_every_array():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"format {FORMAT_VERSION}" in text
    for name in (*SMALL_ARRAYS, "key_frames", "coded_frames"):
        assert f"`{name}`" in text
