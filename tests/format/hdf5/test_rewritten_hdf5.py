"""HDF5 stores rewritten by other tools, with different chunks, filters and structures but equal arrays."""

import shutil
import subprocess

import fsspec
import h5py
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError
from dfs_store.format import copy_store, open_store, repair_store, verify
from tests.format.making import assert_reads_survive_threads_and_forks, content, open_writer

H5REPACK = shutil.which("h5repack")
needs_h5repack = pytest.mark.skipif(H5REPACK is None, reason="needs h5repack (Debian: hdf5-tools)")


@pytest.fixture
def path(tmp_path, dtype):
    content(dtype).write(tmp_path / "s.h5")
    return tmp_path / "s.h5"


def rewrite(path, options_of, **file_options):
    """Copies every dataset with h5py, with options that depend on its name."""
    other = path.with_name("other.h5")
    with h5py.File(path) as file, h5py.File(other, "w", **file_options) as target:
        for name, dataset in file.items():
            target.create_dataset(name, data=dataset, **options_of(name, dataset))
    return other


def assert_equal_stores(path, other, read_path="general"):
    assert list(verify(other)) == []
    with open_store(path) as one, open_store(other) as two:
        assert (one.read_path, two.read_path) == ("fast", read_path)
        assert one.attributes == two.attributes
        assert np.array_equal(one.labels, two.labels)
        count = int(one.offsets[-1])
        expected = one.stored_frames(0, count)
        assert two.stored_frames(0, count).tobytes() == expected.tobytes()
        assert not two.stored_frames(0, 1).flags.writeable
        for clip in range(min(len(one), 20)):
            assert np.array_equal(one.key_frames(clip), two.key_frames(clip))
            assert np.array_equal(one.clip(clip), two.clip(clip))


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": True},
        {"compression": 1},
        {"compression": 9, "shuffle": True},
        {"compression": 4, "fletcher32": True},
        {"compression": 4, "shuffle": True, "fletcher32": True},
        {"fletcher32": True},
        {"shuffle": True},
        {"compression": "lzf"},
        {"compression": "lzf", "shuffle": True, "fletcher32": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_copies_with_filters_are_equal(path, options, libver):
    assert_equal_stores(path, rewrite(path, lambda name, dataset: options, libver=libver))


@pytest.mark.parametrize("chunks", [(1, 1, 1, 1), (1, 2, 4, 3), (5, 2, 2, 2), (12, 2, 4, 3)])
def test_frames_in_any_chunks_are_read(path, chunks):
    def options(name, _):
        return {"chunks": chunks, "compression": 1} if name == "key_frames" else {}

    assert_equal_stores(path, rewrite(path, options))


def test_native_arrays_in_chunks_are_read(tmp_path):
    # The first array is a hundred times as large as the file.
    arrays = {"weights": np.zeros((3000, 200), dtype=np.float32), "steps": np.arange(5)}
    with open_writer(tmp_path / "s.h5") as writer:
        writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
        writer.write_native("m", arrays)
    with h5py.File(tmp_path / "s.h5") as file, h5py.File(tmp_path / "c.h5", "w") as target:
        for name in (*(name for name in file if name != "native"), "native/weights", "native/steps"):
            target.create_dataset(name, data=file[name], compression=9)
    found = open_store(tmp_path / "c.h5").native_arrays()
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_a_frame_with_skipped_filters_is_read(path):
    def options(name, dataset):
        return {"chunks": (1, 2, 4, 3), "compression": 1, "shuffle": True} if name == "key_frames" else {}

    other = rewrite(path, options)
    with h5py.File(path) as file:
        plain = file["key_frames"][4].tobytes()
    with h5py.File(other, "r+") as file:
        file["key_frames"].id.write_direct_chunk((4, 0, 0, 0), plain, filter_mask=3)
    assert_equal_stores(path, other)


def test_frames_that_were_never_written_are_read_as_the_fill_value(tmp_path):
    path = tmp_path / "s.h5"
    with open_writer(path) as writer:
        for value in (0, 1, 0):
            writer.append(np.full((2, 2, 4, 3), value), [0, 5], value)

    def lose(name, dataset):
        return {"chunks": (1, 2, 4, 3)} if name == "key_frames" else {}

    other = rewrite(path, lose)
    with h5py.File(path) as file:
        frames = file["key_frames"][...]
    with h5py.File(other, "r+") as file:
        del file["key_frames"]
        dataset = file.create_dataset("key_frames", frames.shape, "<f4", chunks=(1, 2, 4, 3))
        dataset[2:4] = frames[2:4]
    assert_equal_stores(path, other)
    # A missing frame that differs from the fill value is damage.
    with h5py.File(other, "r+") as file:
        del file["key_frames"]
        file.create_dataset("key_frames", frames.shape, "<f4", chunks=(1, 2, 4, 3))
    with pytest.raises(DamagedStoreError, match=r"key frame 2 .* does not match its checksum"):
        open_store(other).key_frames(1)
    assert [found.clip for found in verify(other)] == [1, 1]


def test_conversion_makes_it_fast_again(path):
    other = rewrite(path, lambda name, dataset: {"compression": 1})
    copy_store(other, path.with_name("again.h5"))
    assert path.with_name("again.h5").read_bytes() == path.read_bytes()


def test_reads_survive_threads_and_forks(path):
    assert_reads_survive_threads_and_forks(
        open_store(rewrite(path, lambda name, dataset: {"compression": 1, "chunks": True}))
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """5,000 clips with their sources in the header, which is far larger than 64 KiB."""
    path = tmp_path_factory.mktemp("many") / "s.h5"
    rng = np.random.default_rng(0)
    sources = [{"file": f"videos/class-{clip % 2}/clip-{clip:05}.avi", "clip": clip} for clip in range(5000)]
    with open_writer(path, attributes={"provenance": {"sources": sources}}) as writer:
        for clip in range(5000):
            writer.append(rng.normal(size=(2, 2, 4, 3)), [0, 5], clip % 2)
    with h5py.File(path) as file:
        assert file["dfs_store"].size > 4 * 2**16
    return path


@needs_h5repack
@pytest.mark.parametrize("options", [[], ["-f", "GZIP=4"], ["-f", "SHUF", "-f", "GZIP=4", "-f", "FLET"]])
def test_a_store_rewritten_by_h5repack_is_equal(many, tmp_path, options):
    subprocess.run([H5REPACK, *options, many, tmp_path / "r.h5"], check=True)
    assert_equal_stores(many, tmp_path / "r.h5", "general" if options else "fast")


def test_a_copy_by_h5py_is_equal(many, tmp_path):
    with h5py.File(many) as file, h5py.File(tmp_path / "c.h5", "w") as target:
        for name in file:
            file.copy(name, target)
    assert_equal_stores(many, tmp_path / "c.h5", "fast")


def test_a_rewritten_hdf5_store_is_read_from_a_server(bucket, path):
    other = rewrite(path, lambda name, dataset: {"compression": 1, "chunks": True})
    fsspec.filesystem("s3").put_file(str(other), f"{bucket}/other.h5")
    assert_equal_stores(path, f"{bucket}/other.h5")


def test_repair_saves_the_frames_of_whole_chunks(path, monkeypatch):
    from dfs_store.format import general

    def options(name, _):
        return {"chunks": (4, 2, 4, 3), "compression": 1} if name == "key_frames" else {}

    other = rewrite(path, options)
    # Blocks of three frames, which end inside a chunk, as if chunks were too large to cache.
    monkeypatch.setattr(general, "_BLOCK_BYTES", 3 * open_store(path).stored_frames(0, 1).nbytes)
    with h5py.File(other, "r+") as file:
        file["key_frames"].id.write_direct_chunk((4, 0, 0, 0), b"no deflate")
    assert [(found.clip, found.position) for found in verify(other)] == [(2, 2), (2, 5), (3, 0), (3, 1)]
    left_out = repair_store(other, path.with_name("saved.h5"))
    assert [found.clip for found in left_out] == [2, 3]
    with open_store(path) as whole, open_store(path.with_name("saved.h5")) as saved:
        assert all(np.array_equal(whole.key_frames(clip), saved.key_frames(clip)) for clip in range(2))


def test_a_checksum_before_the_compressor_is_read(path):
    """The order of the filters is the reverse of h5py's."""
    other = rewrite(path, lambda name, dataset: {})
    with h5py.File(other, "r+") as file:
        for name in ("key_frames", "labels"):
            values = file[name][...]
            del file[name]
            settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            settings.set_chunk(values.shape)
            settings.set_fletcher32()
            settings.set_deflate(1)
            kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
            h5py.h5d.create(file.id, name.encode(), kind, space, settings)
            file[name][...] = values
    assert_equal_stores(path, other)
