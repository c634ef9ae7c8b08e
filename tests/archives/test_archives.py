"""Files of every released minor version keep reading, in both containers, as what was put into them."""

import json
from pathlib import Path

import numpy as np
import pytest

from dfs_store.format import open_store, verify
from tests.archives.make import (
    ATTRIBUTES,
    CLASS_NAMES,
    CLIPS,
    CODED_SHAPE,
    FRAME_SHAPE,
    NATIVE,
    NUM_FRAMES,
    key_frames,
    pictures,
)

FOLDER = Path(__file__).parent
VERSIONS = sorted(folder.name for folder in FOLDER.iterdir() if (folder / "digests.json").is_file())
STORES = sorted(
    path
    for version in VERSIONS
    for path in (FOLDER / version).iterdir()
    if path.suffix in (".zarr", ".h5", ".zip")
)
PLAIN = [path for path in STORES if not path.name.startswith("coded-")]
CODED = [path for path in STORES if path.name.startswith("coded-")]


def name_of(path):
    return f"{path.parent.name}/{path.name}"


def test_the_archives_are_there():
    assert VERSIONS == ["1.0"]
    assert (len(PLAIN), len(CODED)) == (18, 7)


@pytest.mark.parametrize("path", PLAIN, ids=name_of)
def test_an_archived_store_reads_as_what_was_put_into_it(path):
    store = open_store(path)
    assert store.attributes["format_version"] == path.parent.name
    assert (store.num_frames, store.frame_shape, store.class_names) == (NUM_FRAMES, FRAME_SHAPE, CLASS_NAMES)
    assert store.dtype == path.name.partition(".")[0].split("-")[0]
    assert {key: store.attributes[key] for key in ATTRIBUTES} == ATTRIBUTES
    assert store.labels.tolist() == [label for _, label in CLIPS]
    # Quarters within 16 of each other: exact in float16, within half a step of 16/255 in uint8.
    tolerance = 0.5 * 15.75 / 255 + 1e-5 if store.dtype == "uint8" else 0
    for clip, (positions, _) in enumerate(CLIPS):
        assert store.positions(clip).tolist() == positions
        assert np.abs(store.key_frames(clip) - key_frames(clip)).max() <= tolerance
        steps = store.inserted_at(clip)
        assert steps is None if store.dtype == "uint8" else (steps == -1).all()


@pytest.mark.parametrize("path", CODED, ids=name_of)
def test_archived_image_files_read_as_the_pictures_that_were_put_into_them(path):
    store = open_store(path)
    assert (store.num_frames, store.frame_shape) == (NUM_FRAMES, CODED_SHAPE)
    assert store.frame_encoding == path.name.partition(".")[0].split("-")[1]
    assert store.read_path == ("general" if "rewritten" in path.name else "fast")
    assert store.labels.tolist() == [label for _, label in CLIPS]
    for clip, (positions, _) in enumerate(CLIPS):
        assert store.positions(clip).tolist() == positions
        # Other versions of the decoders may round otherwise, but show the same pictures.
        error = np.abs(store.key_frames(clip) - pictures(clip)).mean(axis=(1, 2, 3))
        assert error.max() < 0.06, error
    first = open_store(path.with_name(f"coded-{store.frame_encoding}.zarr"))
    assert store.attributes == first.attributes
    assert store.content_digest == first.content_digest
    assert [store.coded_clip(clip) for clip in range(4)] == [first.coded_clip(clip) for clip in range(4)]


@pytest.mark.parametrize("path", STORES, ids=name_of)
def test_an_archived_store_is_sound(path):
    assert list(verify(path)) == []


@pytest.mark.parametrize(
    "path", [p for p in PLAIN if p.suffix == ".zarr" and "native" not in p.stem], ids=name_of
)
def test_containers_and_compressions_agree(path):
    digests = json.loads((path.parent / "digests.json").read_text())
    dtype = path.stem.split("-")[0]
    first = open_store(path)
    assert first.attributes["digest"] == digests[path.name]
    for twin in (f"{dtype}.h5", f"{dtype}-gzip.h5", f"{dtype}.zarr"):
        second = open_store(path.with_name(twin))
        assert first.attributes == second.attributes
        assert first.stored_frames(0, 12).tobytes() == second.stored_frames(0, 12).tobytes()
        for clip in range(len(first)):
            assert np.array_equal(first.clip(clip), second.clip(clip))


@pytest.mark.parametrize("path", [path for path in STORES if "native" in path.stem], ids=name_of)
def test_native_arrays_keep_reading(path):
    store = open_store(path)
    assert store.native_method == "archive"
    found = store.native_arrays()
    assert found.keys() == NATIVE.keys()
    for name, array in NATIVE.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)
