import multiprocessing
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, NotAStoreError, SettingsError, StoreNotFoundError
from dfs_store.format import open_store
from dfs_store.format.quantization import decode, encode
from dfs_store.interpolation import weight_matrix
from tests.format.making import content, flip


def test_a_store_returns_the_values_that_were_written(tmp_path, container, dtype):
    written = content(dtype)
    path = tmp_path / f"s.{container}"
    written.write(path)
    with open_store(path) as store:
        assert len(store) == 4
        assert store.path == path
        assert store.container == {"zarr": "zarr", "h5": "hdf5"}[container]
        assert (store.num_frames, store.frame_shape, store.dtype) == (6, (2, 4, 3), dtype)
        assert store.class_names == ["left", "right"]
        assert store.labels.tolist() == [0, 1, 0, 1]
        assert store.labels.dtype == np.int32
        assert store.offsets.tolist() == [0, 2, 3, 6, 12]
        assert store.normalization == {"mean": [0.5, 0.25], "std": [0.5, 2.0]}
        assert store.fps == 25
        assert store.attributes["provenance"] == {"method": "test", "seed": 0}
        assert store.attributes["complete"] is True
        assert (store.scale is not None) == (store.zero is not None) == (dtype == "uint8")
        for number, clip in enumerate(written.clips):
            assert store.positions(number).tolist() == clip.positions.tolist()
            assert store.positions(number).dtype == np.int64
            assert store.inserted_at(number).tolist() == clip.inserted_at.tolist()
            expected = decode(*encode(clip.key_frames, dtype))
            assert store.key_frames(number).tobytes() == expected.tobytes()


def test_stored_frames_are_read_only_views_of_the_stored_values(store_path):
    written = content()
    store = open_store(store_path)
    frames = store.stored_frames(0, 12)
    assert frames.dtype == np.float32
    assert np.array_equal(frames, np.concatenate([clip.key_frames for clip in written.clips]))
    assert np.array_equal(store.stored_frames(3, 6), frames[3:6])
    assert store.stored_frames(4, 4).shape == (0, 2, 4, 3)
    assert not frames.flags.writeable
    assert store.key_frames(0).flags.writeable


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 13), (5, 4)])
def test_stored_frames_outside_the_store_are_refused(store_path, start, stop):
    with pytest.raises(SettingsError, match=r"0\.\.12"):
        open_store(store_path).stored_frames(start, stop)


def test_a_clip_is_the_weight_matrix_times_its_key_frames(store_path):
    store = open_store(store_path)
    for number in range(len(store)):
        weights = weight_matrix(store.positions(number), 6)
        expected = np.einsum("tk,kchw->tchw", weights, store.key_frames(number))
        clip = store.clip(number)
        assert clip.dtype == np.float32
        np.testing.assert_allclose(clip, expected, rtol=1e-6, atol=1e-6)
        assert np.array_equal(clip[store.positions(number)], store.key_frames(number))


def test_a_clip_is_rebuilt_at_given_times(store_path):
    store = open_store(store_path)
    first, last = store.key_frames(0)
    clip = store.clip(0, [0, 2.5, 5.0])
    np.testing.assert_allclose(clip[1], (first + last) / 2, rtol=1e-6)
    assert np.array_equal(clip[0], first)
    assert np.array_equal(clip[2], last)
    with pytest.raises(SettingsError, match="times"):
        store.clip(0, [5.1])


def test_clips_are_numbered_like_list_items(store_path):
    store = open_store(store_path)
    assert np.array_equal(store.key_frames(-1), store.key_frames(3))
    for outside in (4, -5):
        with pytest.raises(IndexError, match=r"0\.\.3"):
            store.clip(outside)


def test_a_store_may_lack_inserted_at(tmp_path, container):
    path = tmp_path / f"s.{container}"
    content(with_steps=False).write(path)
    assert open_store(path).inserted_at(0) is None


def test_arrays_of_the_whole_store_cannot_be_changed(store_path):
    store = open_store(store_path)
    for array in (store.labels, store.offsets, store.all_positions):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_damaged_frame_is_reported_at_its_first_read_and_others_stay_readable(store_path):
    frame = open_store(store_path).stored_frames(4, 5).tobytes()
    file = store_path / "key_frames" / "c.0.0.0.0" if store_path.is_dir() else store_path
    flip(file, file.read_bytes().index(frame) + 5)
    store = open_store(store_path)
    store.key_frames(1)
    for _ in range(2):
        with pytest.raises(DamagedStoreError, match=r"key frame 4 \(clip 2, class 'left', position 2, file "):
            store.key_frames(2)
    store.key_frames(3)


def test_a_closed_store_raises_an_error(store_path):
    store = open_store(store_path)
    kept = store.stored_frames(0, 2).copy()
    view = store.stored_frames(0, 2)
    store.close()
    assert np.array_equal(view, kept)
    with pytest.raises(SettingsError, match="closed"):
        store.key_frames(0)


def test_pickling_opens_the_same_store_again(store_path):
    store = open_store(store_path)
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again.clip(3), store.clip(3))


def test_a_relative_path_works_after_changing_the_working_directory(store_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store(store_path.name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert np.array_equal(pickle.loads(pickle.dumps(store)).clip(2), store.clip(2))


def test_pickling_notices_a_replaced_store(store_path):
    pickled = pickle.dumps(open_store(store_path))
    store_path.rename(store_path.with_name("old" + store_path.suffix))
    content(seed=1).write(store_path)
    with pytest.raises(DamagedStoreError, match="replaced"):
        pickle.loads(pickled)


def clip_bytes(store, number):
    return store.clip(number).tobytes()


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_read_the_same_as_their_parent(tmp_path, container, compression, method):
    path = tmp_path / f"s.{container}"
    content().write(path, compression=compression)
    store = open_store(path)
    expected = [clip_bytes(store, number) for number in range(4)]
    # A thread pool inside zarr or a lock inside h5py must not be inherited half-held.
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    worker = context.Process(target=put_clips, args=(store, queue))
    worker.start()
    got = queue.get()
    worker.join(60)
    assert worker.exitcode == 0
    assert got == expected


def put_clips(store, queue):
    queue.put([clip_bytes(store, number) for number in range(len(store))])


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_threads_share_a_store(tmp_path, container, compression):
    path = tmp_path / f"s.{container}"
    content().write(path, compression=compression)
    expected = [clip_bytes(open_store(path), number) for number in range(4)]
    store, wrong = open_store(path), []

    def read():
        order = (0, 1, 2, 3, 3, 2, 1, 0)
        wrong.extend(number for number in order if clip_bytes(store, number) != expected[number])

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_repr_shows_shapes_and_no_pixels(store_path):
    text = repr(open_store(store_path))
    assert "4 clips of 6 frames, 12 key frames of (2, 4, 3) in float32" in text
    assert len(text) < 300


def test_missing_paths_and_foreign_files_raise_different_errors(tmp_path):
    with pytest.raises(StoreNotFoundError, match="no such store"):
        open_store(tmp_path / "absent.zarr")
    with pytest.raises(StoreNotFoundError, match="no such store"):
        open_store(tmp_path / "absent.h5")
    with pytest.raises(StoreNotFoundError, match=r"\.zarr\.zip, \.zarr, \.h5, \.hdf5"):
        open_store(tmp_path / "store.pt")
    (tmp_path / "store.pt").write_text("text")
    with pytest.raises(NotAStoreError, match=r"must end in \.zarr\.zip, \.zarr, \.h5, \.hdf5"):
        open_store(tmp_path / "store.pt")
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("text")
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "text.h5").write_text("text")
    (tmp_path / "empty.hdf5").touch()
    for name in ("folder.zarr", "file.zarr", "folder.h5", "text.h5", "empty.hdf5"):
        with pytest.raises(NotAStoreError):
            open_store(tmp_path / name)


def test_suffixes_are_not_case_sensitive(tmp_path):
    content().write(tmp_path / "s.ZARR")
    content().write(tmp_path / "s.HDF5")
    assert open_store(tmp_path / "s.ZARR").container == "zarr"
    assert open_store(tmp_path / "s.HDF5").container == "hdf5"


def test_opening_a_store_imports_only_what_it_needs(tmp_path):
    content().write(tmp_path / "s.zarr")
    content().write(tmp_path / "s.h5")
    script = (
        "import sys; from dfs_store.format import open_store\n"
        "open_store(sys.argv[1]).clip(0)\n"
        "assert not {'torch', 'zarr', 'h5py', 'numcodecs'} & set(sys.modules), sorted(sys.modules)\n"
        "open_store(sys.argv[2]).clip(0)\n"
        "assert not {'torch', 'zarr'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "s.zarr", tmp_path / "s.h5"], check=True)
