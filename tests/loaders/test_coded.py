"""Stores of image files return the same clips, bit for bit, as stores of the decoded key frames."""

import itertools
import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from dfs_store import DFSDataset, DFSLoader
from dfs_store.errors import DamagedStoreError
from dfs_store.format import copy_store
from dfs_store.loaders.batching import passing
from tests.loaders.stores import write_store

SHAPE = (3, 16, 16)
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Returns stores by name, each with a copy whose key frames are arrays."""
    folder, made = tmp_path_factory.mktemp("coded"), {}
    for seed, (name, suffix) in enumerate([("webp", ".zarr"), ("avif", ".h5")]):
        path = write_store(folder / f"{name}{suffix}", encoding=name, frame_shape=SHAPE, seed=seed)
        copy_store(path, plain := folder / f"plain-{name}{suffix}", encoding="none")
        made[name] = path, plain
    for dtype in ("uint8", "float32"):
        made[dtype] = (write_store(folder / f"{dtype}.zarr", dtype=dtype, frame_shape=SHAPE, seed=2),) * 2
    return made


def assert_equal_batches(found, expected):
    count = 0
    for one, other in itertools.zip_longest(found, expected):
        assert torch.equal(one[0], other[0])
        assert torch.equal(torch.as_tensor(one[1]), torch.as_tensor(other[1]))
        count += 1
    assert count > 0


@pytest.mark.parametrize("name", ["webp", "avif"])
@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("normalization", ["stored", None])
def test_clips_and_batches(pairs, name, layout, in_memory, normalization):
    options = {"layout": layout, "in_memory": in_memory, "normalization": normalization}
    coded, plain = (DFSDataset(path, **options) for path in pairs[name])
    assert_equal_batches(coded, plain)
    settings = {"shuffle": True, "horizontal_flip": 0.5, "seed": 3}
    for _ in range(2):  # the second time from the cache
        assert_equal_batches(DFSLoader(coded, 3, **settings), DFSLoader(plain, 3, **settings))
    assert_equal_batches(DataLoader(coded, 3), DataLoader(plain, 3))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "method", "in_memory", "num_workers"),
    [
        ("webp", "fork", True, 2),
        ("webp", "fork", False, 2),
        ("avif", "fork", False, 2),
        ("avif", "spawn", True, 1),
    ],
)
def test_workers(pairs, packed, name, method, in_memory, num_workers):
    coded, plain = (DFSDataset(path, in_memory=in_memory) for path in pairs[name])
    workers = {"num_workers": num_workers, "multiprocessing_context": method}
    if packed:
        batches = map(coded.packed().rebuild, DataLoader(coded.packed(), 3, **workers))
    else:
        batches = DataLoader(coded, 3, **workers)
    assert_equal_batches(batches, DFSLoader(plain, 3))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("others", [("avif", "uint8"), ("uint8", "avif", "float32")])
def test_joined_stores(pairs, in_memory, others):
    paths = [pairs[name] for name in ("webp", *others)]
    coded, plain = (DFSDataset(list(each), in_memory=in_memory) for each in zip(*paths, strict=True))
    assert_equal_batches(DFSLoader(coded, 5, shuffle=True), DFSLoader(plain, 5, shuffle=True))
    assert_equal_batches([coded[number] for number in (8, 0, 15)], [plain[number] for number in (8, 0, 15)])


def test_threads_decode_the_same(pairs):
    coded, plain = pairs["webp"]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for in_memory in (True, False):
            assert_equal_batches(DFSDataset(coded, in_memory=in_memory), DFSDataset(plain))
    finally:
        torch.set_num_threads(before)


def test_chunks_that_end_inside_a_clip(pairs, monkeypatch):
    monkeypatch.setattr("dfs_store.loaders.sources._CHUNK_BYTES", 3 * 4 * 3 * 16 * 16)
    for name in ("webp", "avif"):
        coded, plain = pairs[name]
        assert_equal_batches(DFSDataset(coded), DFSDataset(plain))


def test_progress_counts_the_loaded_key_frames(pairs, monkeypatch):
    seen = []
    monkeypatch.setattr("dfs_store.loaders.sources._CHUNK_BYTES", 10 * 4 * 3 * 16 * 16)
    dataset = DFSDataset(
        [pairs["webp"][0], pairs["avif"][0]], on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(10, 50), (20, 50), (25, 50), (35, 50), (45, 50), (50, 50)]
    seen.clear()
    assert pickle.loads(pickle.dumps(dataset)).in_memory  # the function need not be picklable
    DFSDataset(pairs["webp"][0], in_memory=False, on_progress=lambda *counts: seen.append(counts))[0]
    assert seen == []


def test_repr_shows_the_decoded_size(pairs):
    line = next(line for line in repr(DFSDataset(pairs["webp"][0])).splitlines() if "Key frames" in line)
    assert line.strip() == "Key frames: 25 (webp, 18.8 KiB decoded), in memory"
    both = repr(DFSDataset([pairs["webp"][0], pairs["uint8"][0]], in_memory=False))
    assert "Key frames: 50 (uint8, webp, 37.5 KiB decoded), read from disk" in both


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_error_about_a_damaged_file_names_its_clip(tmp_path, in_memory):
    path = write_store(tmp_path / "store.zarr", encoding="webp", frame_shape=SHAPE)
    (chunk,) = (file for file in (path / "coded_frames").iterdir() if file.name == "c.0")
    data = bytearray(chunk.read_bytes())
    data[-5] ^= 1  # inside the last image file
    chunk.write_bytes(data)
    with pytest.raises(DamagedStoreError, match=r"key frame 24 \(clip 6, .*does not match its checksum"):
        DFSDataset(path, in_memory=in_memory)[6]


def test_a_saved_pickle_contains_no_key_frames(pairs):
    dataset = DFSDataset(pairs["webp"][0], in_memory=True)
    text = pickle.dumps(dataset)
    assert len(text) < 2000
    assert_equal_batches(pickle.loads(text), dataset)


def test_spawned_workers_load_their_own_copy_if_shared_memory_is_small(pairs, monkeypatch):
    monkeypatch.setattr(passing, "_SPARED_BYTES", 2**60)
    dataset = DFSDataset(pairs["webp"][0])
    loader = DataLoader(dataset, 3, num_workers=1, multiprocessing_context="spawn")
    with pytest.warns(
        UserWarning, match=r"MiB free, but sharing the key frames needs .* every spawned worker loads"
    ):
        batches = list(loader)
    assert_equal_batches(batches, DFSLoader(dataset, 3))
