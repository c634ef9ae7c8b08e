import hashlib
import json

import google_crc32c
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError
from dfs_store.format import open_store
from dfs_store.format.digest import canonical_json, frame_checksums
from dfs_store.format.io.reading import parse_json
from tests.format.making import content, edit_attributes, read_attributes, read_raw, write_array


def test_the_digest_follows_the_documented_recipe(tmp_path, container, dtype):
    path = tmp_path / f"s.{container}"
    content(dtype).write(path)
    arrays, shape, stored = read_raw(path)
    attributes = read_attributes(path)
    total = hashlib.sha256()
    total.update(f"key_frames {stored} {','.join(map(str, shape))}\n".encode())
    for name in ("positions", "offsets", "labels", "scale", "zero", "inserted_at", "checksums"):
        if name in arrays:
            array = arrays[name]
            total.update(f"{name} {array.dtype.name} {','.join(map(str, array.shape))}\n".encode())
            total.update(array.tobytes())
    digest = attributes.pop("digest")
    total.update(json.dumps(attributes, sort_keys=True, separators=(",", ":")).encode())
    assert digest == total.hexdigest()


def test_the_content_digest_depends_only_on_the_clips(tmp_path):
    content().write(tmp_path / "s.zarr", compression="zstd")
    content().write(tmp_path / "s.h5")
    first, second = open_store(tmp_path / "s.zarr"), open_store(tmp_path / "s.h5")
    assert first.content_digest == second.content_digest
    assert first.content_digest != first.attributes["digest"]
    edit_attributes(tmp_path / "s.h5", lambda a: a["provenance"].update(seed=9), redigest=True)
    again = open_store(tmp_path / "s.h5")
    assert again.attributes["digest"] != second.attributes["digest"]
    assert again.content_digest == first.content_digest


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a["normalization"]["mean"].__setitem__(0, 0.25),
        lambda a: a["class_names"].reverse(),
        lambda a: a["class_names"].append("another"),
    ],
)
def test_different_clips_have_different_content_digests(tmp_path, change):
    content().write(tmp_path / "s.zarr")
    before = open_store(tmp_path / "s.zarr").content_digest
    edit_attributes(tmp_path / "s.zarr", change, redigest=True)
    assert open_store(tmp_path / "s.zarr").content_digest != before
    content(seed=1).write(tmp_path / "t.zarr")
    assert open_store(tmp_path / "t.zarr").content_digest != before


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("labels", 1, 0), ("positions", 4, 3), ("inserted_at", 0, 7), ("checksums", 2, 5), ("offsets", 1, 1)],
)
def test_an_altered_array_is_always_noticed(store_path, name, place, value):
    values = read_raw(store_path)[0][name].copy()
    assert values[place] != value
    values[place] = value
    write_array(store_path, name, values)
    with pytest.raises(DamagedStoreError):
        open_store(store_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a["normalization"]["mean"].__setitem__(0, 0.25),
        lambda a: a["class_names"].reverse(),
        lambda a: a.update(fps=24),
        lambda a: a["provenance"].update(seed=1),
        lambda a: a.update(added=None),
        lambda a: a.pop("fps"),
    ],
)
def test_an_altered_attribute_is_always_noticed(store_path, change):
    edit_attributes(store_path, change)
    with pytest.raises(DamagedStoreError, match="digest"):
        open_store(store_path)


def test_rewriting_the_same_attributes_is_harmless(store_path):
    edit_attributes(store_path, lambda attributes: attributes.update(dict(reversed(attributes.items()))))
    assert len(open_store(store_path)) == 4


def test_canonical_json_is_sorted_ascii_without_spaces():
    assert canonical_json({"b": [1, 0.5, None], "ä": "€", "a": True}) == (
        rb'{"a":true,"b":[1,0.5,null],"\u00e4":"\u20ac"}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": -float("inf")}])
def test_canonical_json_refuses_numbers_that_json_cannot_represent(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "{", "", "[" * 100_000])
def test_parse_json_is_strict(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words differ by version
        parse_json(text)


def test_frame_checksums_are_crc32c_of_little_endian_bytes():
    frames = np.arange(24, dtype="<f4").reshape(2, 1, 3, 4)
    expected = [google_crc32c.value(frame.tobytes()) for frame in frames]
    assert frame_checksums(frames).tolist() == expected
    assert frame_checksums(np.asfortranarray(frames)).tolist() == expected
