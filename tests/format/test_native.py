import json
import shutil

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dfs_store.errors import DamagedStoreError, SettingsError
from dfs_store.format import copy_store, open_store, verify
from dfs_store.format.spec import NATIVE_DTYPES
from tests.format.making import content, edit_attributes, flip, open_writer

ARRAYS = {
    "static": np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5) / 7,
    "counts": np.arange(4, dtype=np.int64) * 10**12,
    "half": np.arange(3, dtype=np.float16),
}


@pytest.fixture
def native_path(tmp_path, container):
    path = tmp_path / f"native.{container}"
    write(path)
    return path


def write(path, arrays=ARRAYS, method="static-dynamic"):
    with open_writer(path) as writer:
        for clip in content().clips:
            writer.append(clip.key_frames, clip.positions, clip.label, clip.inserted_at)
        writer.write_native(method, arrays)


def same_arrays(found):
    assert list(found) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_both_copies_of_native_metadata_must_agree(tmp_path):
    path = tmp_path / "s.zarr"
    write(path)
    root = json.loads((path / "zarr.json").read_text())
    root["consolidated_metadata"]["metadata"]["native/half"]["fill_value"] = 0
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(DamagedStoreError, match="describe the array native/half differently"):
        open_store(path).native_arrays()


def test_native_arrays_are_read_back_and_counted(native_path):
    store = open_store(native_path)
    same_arrays(store.native_arrays())
    assert store.native_method == "static-dynamic"
    assert store.storage.native_bytes == 2 * 3 * 5 * 4 + 4 * 8 + 3 * 2
    assert list(verify(native_path)) == []


def test_other_readers_find_the_key_frames(native_path):
    store = open_store(native_path)
    for number, clip in enumerate(content().clips):
        assert np.array_equal(store.key_frames(number), clip.key_frames)


def test_zarr_and_h5py_alone_read_the_same_native_arrays(native_path):
    if native_path.suffix == ".zarr":
        group = zarr.open_group(native_path, mode="r")
        assert sorted(group["native"].array_keys()) == sorted(ARRAYS)
        found = {name: group[f"native/{name}"][...] for name in ARRAYS}
    else:
        with h5py.File(native_path) as file:
            assert sorted(file["native"]) == sorted(ARRAYS)
            found = {name: file[f"native/{name}"][...] for name in sorted(ARRAYS)}
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name], array)


def test_a_store_may_have_no_native_arrays(store_path):
    store = open_store(store_path)
    assert store.native_method is None
    assert store.native_arrays() == {}
    assert store.storage.native_bytes is None


def test_copies_contain_the_native_arrays_in_every_container(native_path, tmp_path):
    for name in ("copy.zarr", "copy.h5"):
        copy_store(native_path, tmp_path / name, dtype="uint8")
        same_arrays(open_store(tmp_path / name).native_arrays())


def test_a_subset_of_classes_has_no_native_arrays(native_path, tmp_path):
    copy_store(native_path, tmp_path / "copy.zarr", classes=["left"])
    store = open_store(tmp_path / "copy.zarr")
    assert store.native_method is None
    assert not (tmp_path / "copy.zarr" / "native").exists()
    assert list(verify(tmp_path / "copy.zarr")) == []


def damage(path):
    needle = ARRAYS["static"].tobytes()
    file = path / "native" / "static" / "c.0.0.0" if path.is_dir() else path
    flip(file, file.read_bytes().index(needle) + 9)


def test_damage_is_reported_and_the_rest_stays_readable(native_path):
    damage(native_path)
    with pytest.raises(DamagedStoreError, match="native/static does not match its checksum"):
        open_store(native_path).native_arrays()
    (finding,) = verify(native_path)
    assert "native/static" in finding.message
    assert finding.file == ("native/static" if native_path.is_dir() else "native.h5")
    open_store(native_path).clip(0)


def test_a_missing_array_is_reported(native_path):
    if native_path.is_dir():
        shutil.rmtree(native_path / "native" / "counts")
    else:
        with h5py.File(native_path, "r+") as file:
            del file["native/counts"]
    with pytest.raises(DamagedStoreError, match="native/counts is missing"):
        open_store(native_path).native_arrays()


def test_a_shape_that_differs_from_the_header_is_refused(native_path):
    edit_attributes(
        native_path, lambda a: a["native"]["arrays"]["static"].update(shape=[3, 2, 5]), redigest=True
    )
    with pytest.raises(DamagedStoreError, match=r"shape (must be )?\(3, 2, 5\), got \(2, 3, 5\)"):
        open_store(native_path).native_arrays()


def test_a_native_group_that_is_a_link_is_refused(tmp_path):
    path = tmp_path / "native.h5"
    write(path)
    write(tmp_path / "other.h5")
    with h5py.File(path, "r+") as file:
        del file["native"]
        file["native"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "native")
    with pytest.raises(DamagedStoreError, match="native must be in this file, not a link"):
        open_store(path).native_arrays()
    outside = tmp_path / "outside"
    write(tmp_path / "native.zarr")
    shutil.move(tmp_path / "native.zarr" / "native" / "static", outside)
    (tmp_path / "native.zarr" / "native" / "static").symlink_to(outside)
    with pytest.raises(DamagedStoreError, match="outside the store"):
        open_store(tmp_path / "native.zarr").native_arrays()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "native must be null or"),
        ({"method": 3, "arrays": {}}, "native must be null or"),
        ({"method": "x", "arrays": {"../up": {}}}, "must consist of a-z"),
        ({"method": "x", "arrays": {"a": {"dtype": [], "shape": [1], "checksum": 1}}}, "a dtype, a shape"),
        ({"method": "x", "arrays": {"a": {"dtype": {}, "shape": [1], "checksum": 1}}}, "a dtype, a shape"),
        ({"method": "x", "arrays": {"a": {"dtype": "uint8", "shape": [1] * 9, "checksum": 1}}}, "of 1 to 8"),
        ({"method": "x", "arrays": {"a": {"dtype": "uint8", "shape": [2**62] * 8, "checksum": 1}}}, "claim"),
        ({"method": "x", "arrays": {"a": {"dtype": "uint8", "shape": [10**9], "checksum": 1}}}, "claim"),
        ({"method": "x", "arrays": {"a": {"dtype": "uint8", "shape": [-1], "checksum": 1}}}, "a shape of"),
        ({"method": "x", "arrays": {"a": {"dtype": "uint8", "shape": [], "checksum": 1}}}, "a shape of"),
        ({"method": "x", "arrays": {"a": {"dtype": "uint8", "shape": [2**70], "checksum": 1}}}, "a shape of"),
    ],
)
def test_an_invalid_native_key_is_refused_on_opening(store_path, value, message):
    edit_attributes(store_path, lambda a: a.update(native=value), redigest=True)
    with pytest.raises(DamagedStoreError, match=message):
        open_store(store_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.array([1.0])}, "one of the dtypes"),
        ({"a": np.array(["text"])}, "one of the dtypes"),
        ({"a": np.array([np.inf], np.float32)}, "finite"),
        ({"a": np.zeros((0, 2), np.float32)}, "whole numbers of at least 1"),
        ({"a": np.zeros((1,) * 9, np.float32)}, "1 to 8"),
        ({"A b": np.zeros(1, np.float32)}, "must consist of a-z"),
    ],
)
def test_the_writer_refuses_arrays_that_a_reader_would_refuse(tmp_path, container, arrays, message):
    with pytest.raises(SettingsError, match=message):
        write(tmp_path / f"bad.{container}", arrays)
    assert list(tmp_path.iterdir()) == []


@st.composite
def native_arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(sorted(NATIVE_DTYPES))))
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    return draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=8, max_side=3), elements=finite or None))


@settings(max_examples=25, deadline=None)
@given(
    arrays=st.dictionaries(st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True), native_arrays(), max_size=4),
    through=st.sampled_from([("a.zarr", "b.h5"), ("a.h5", "b.zarr")]),
)
def test_native_arrays_survive_both_containers_bit_by_bit(tmp_path_factory, arrays, through):
    folder = tmp_path_factory.mktemp("native")
    write(folder / through[0], arrays)
    copy_store(folder / through[0], folder / through[1])
    for name in through:
        store = open_store(folder / name)
        found = store.native_arrays()
        assert found.keys() == arrays.keys()
        for key, array in arrays.items():
            assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape)
            assert found[key].tobytes() == array.tobytes()
        assert store.storage.native_bytes == sum(array.nbytes for array in arrays.values())
        assert list(verify(folder / name)) == []


def test_an_unknown_native_dtype_leaves_the_clips_readable(native_path):
    edit_attributes(
        native_path, lambda a: a["native"]["arrays"]["half"].update(dtype="float64"), redigest=True
    )
    store = open_store(native_path)
    assert store.storage.native_bytes == 2 * 3 * 5 * 4 + 4 * 8
    store.clip(0)
    with pytest.raises(DamagedStoreError, match=r"native/half must have one of the dtypes .* got 'float64'"):
        store.native_arrays()
