"""Stores of a few kilobytes that follow every rule and describe clips of gigabytes."""

import numpy as np
import pytest

from dfs_store import DFSDataset, DFSLoader, open_store
from dfs_store.errors import ClipTooLargeError, SettingsError
from dfs_store.format import StoreWriter
from dfs_store.format.rebuilding import rebuilt_blocks
from dfs_store.interpolation import neighbours
from dfs_store.loaders.batching.plans import _plan, plan_of
from tests.attacks.commands import python, run

LONGEST = 65_536
# Python, its libraries, a block with intermediate results, and the output.
MOST_BYTES = 256 * 2**20


def written(path, side, *, num_frames=LONGEST, positions=None, encoding=None, dtype="uint8"):
    """Writes one clip of `side` x `side` pixels with two key frames."""
    positions = [0, num_frames - 1] if positions is None else positions
    frames = np.random.default_rng(0).random((len(positions), 3, side, side)).astype(np.float32)
    with StoreWriter(
        path,
        num_frames=num_frames,
        frame_shape=(3, side, side),
        class_names=["a"],
        dtype=dtype,
        encoding=encoding,
    ) as writer:
        writer.append(frames, positions, 0)
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A store of 20 kB whose clip takes 1.3 GB, below the limit."""
    return written(tmp_path_factory.mktemp("long") / "s.h5", 40)


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """A store of 30 kB whose clip takes 3.2 GB, above the limit."""
    return written(tmp_path_factory.mktemp("huge") / "s.h5", 64)


@pytest.mark.parametrize(
    "words", [("preview", "p.png"), ("preview", "p.pdf"), ("report", "r.html")], ids=lambda words: words[1]
)
def test_pictures_rebuild_only_what_they_show(long, tmp_path, words):
    command, name = words
    ran = run(command, long, "--out", tmp_path / name)
    assert ran.code == 0, ran.stderr
    assert ran.peak_bytes < MOST_BYTES
    assert (tmp_path / name).stat().st_size < 4 * 2**20


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--out", "f.mp4"), "a film can show clips of at most 2,048 frames"),
        (("--out", "f.gif"), "a film can show clips of at most 2,048 frames"),
        (("--out", "f.png", "--kind", "flow"), "can show clips of at most 480 frames"),
    ],
)
def test_previews_of_every_frame_are_limited_to_short_clips(long, tmp_path, words, wanted):
    ran = run("preview", long, *words, cwd=tmp_path)
    assert (ran.code, wanted in ran.stderr) == (2, True), ran.stderr
    assert ran.peak_bytes < MOST_BYTES


@pytest.mark.parametrize("encoding", ["uint8", "float32"])
def test_an_export_keeps_only_one_block_of_a_clip_in_memory(tmp_path, encoding):
    store = written(tmp_path / "s.h5", 18)  # 255 MB
    ran = run("export", store, "--to", "npz", "--encoding", encoding, "--out", tmp_path / "e.npz")
    assert ran.code == 0, ran.stderr
    assert ran.peak_bytes < MOST_BYTES
    with np.load(tmp_path / "e.npz") as exported:
        clips = exported["clips"]
    with open_store(store) as opened:
        first = opened.clip(0, times=[1000])[0]
    expected = np.rint(first * 255).astype(np.uint8) if encoding == "uint8" else first
    assert np.array_equal(clips[0, 1000], expected)


@pytest.mark.parametrize(
    "words",
    [
        ("preview", "--out", "p.png"),
        ("preview", "--out", "p.mp4"),
        ("preview", "--kind", "flow", "--out", "p.png"),
        ("report", "--out", "r.html"),
        ("export", "--to", "videos", "--out", "v"),
        ("export", "--to", "frames", "--out", "v"),
        ("export", "--to", "webdataset", "--out", "v"),
        ("export", "--to", "npz", "--out", "v.npz"),
        ("export", "--to", "huggingface", "--out", "v"),
    ],
    ids=" ".join,
)
def test_a_clip_above_the_limit_is_refused_by_every_command(huge, tmp_path, dfs, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = dfs(words[0], huge, *words[1:])
    assert done.code == 3
    assert "s.h5: a rebuilt clip takes 3,221,225,472 bytes" in done.stderr
    assert "at most 2,147,483,648 are allowed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_with_a_huge_clip_can_be_inspected_and_copied(huge, tmp_path, dfs):
    assert dfs("inspect", huge).code == 0
    assert dfs("verify", huge).code == 0
    assert dfs("convert", huge, tmp_path / "c.zarr").code == 0
    assert dfs("repair", huge, tmp_path / "r.h5").code == 0
    assert dfs("diff", huge, tmp_path / "c.zarr").code == 3  # because it rebuilds the clips of both
    assert dfs("preview", huge, "--kind", "storage", "--out", tmp_path / "s.png").code == 0


def test_loaders_refuse_a_huge_clip_before_allocating_memory(huge):
    said = "takes 3,221,225,472 bytes .* at most 2,147,483,648"
    dataset = DFSDataset(huge)
    for asked in (lambda: dataset[0], lambda: dataset[[0, 0]], lambda: dataset.__getitems__([0])):
        with pytest.raises(ClipTooLargeError, match=said):
            asked()
    with pytest.raises(ClipTooLargeError, match=said):
        next(iter(DFSLoader(dataset, 1)))
    packed = dataset.packed()
    with pytest.raises(ClipTooLargeError, match=said):
        packed.rebuild(packed[0])
    assert DFSDataset(huge, num_frames=8)[0][0].shape == (3, 8, 64, 64)  # because the clip is small


def test_the_limit_can_be_set(huge, tmp_path, monkeypatch):
    small = written(tmp_path / "s.zarr", 8, num_frames=4)
    with open_store(huge) as store, pytest.raises(ClipTooLargeError):
        store.clip(0)
    with open_store(huge) as store:
        assert store.clip(0, times=[0, 9.5]).shape == (2, 3, 64, 64)
    with open_store(small, max_clip_bytes=3071) as store, pytest.raises(ClipTooLargeError, match="3,071"):
        store.clip(0)
    with open_store(small, max_clip_bytes=3072) as store:
        assert store.clip(0).shape == (4, 3, 8, 8)
    monkeypatch.setenv("DFS_MAX_CLIP_BYTES", "2KiB")
    with open_store(small) as store, pytest.raises(ClipTooLargeError, match="at most 2,048 are allowed"):
        store.clip(0)
    with open_store(small, max_clip_bytes=3072) as store:
        assert store.clip(0).shape == (4, 3, 8, 8)
    monkeypatch.setenv("DFS_MAX_CLIP_BYTES", "much")
    with pytest.raises(SettingsError, match="DFS_MAX_CLIP_BYTES must be a size"):
        DFSDataset(small)[0]


@pytest.mark.parametrize("value", [0, -1, True, 2.5])
def test_the_limit_must_be_a_number_of_bytes(tmp_path, value):
    small = written(tmp_path / "s.zarr", 8, num_frames=4)
    with open_store(small, max_clip_bytes=value) as store, pytest.raises(SettingsError, match="whole number"):
        store.clip(0)


def test_a_pickled_store_keeps_its_limit(tmp_path):
    import pickle

    small = written(tmp_path / "s.zarr", 8, num_frames=4)
    with open_store(small, max_clip_bytes=100) as store:
        again = pickle.loads(pickle.dumps(store))
    with again, pytest.raises(ClipTooLargeError):
        again.clip(0)


@pytest.mark.parametrize("encoding", [None, "webp:75", "avif:60"])
@pytest.mark.parametrize("times", [None, np.linspace(0, 599, 300), np.array([599.0, 0.0, 3.5, 3.5])])
def test_joined_blocks_equal_the_clip(tmp_path, monkeypatch, encoding, times):
    positions = [0, 1, 2, 100, 101, 300, 598, 599]
    path = written(tmp_path / "s.zarr", 9, num_frames=600, positions=positions, encoding=encoding)
    with open_store(path) as store:
        whole = store.clip(0, times=times)
        monkeypatch.setattr("dfs_store.format.rebuilding.BLOCK_BYTES", 7 * 3 * 9 * 9 * 4)
        blocks = list(store.clip_blocks(0, times=times))
        assert max(map(len, blocks)) == min(7, len(whole))
        assert np.array_equal(np.concatenate(blocks), whole)
        assert np.array_equal(store.clip(0, times=times), whole)


def test_a_block_reads_only_its_own_key_frames(tmp_path, monkeypatch):
    path = written(tmp_path / "s.zarr", 4, num_frames=100, positions=range(100), dtype="float32")
    monkeypatch.setattr("dfs_store.format.rebuilding.BLOCK_BYTES", 10 * 3 * 4 * 4 * 4)
    with open_store(path) as store:
        asked = []
        read = store.stored_spans
        store.stored_spans = lambda spans: asked.append(spans) or read(spans)
        blocks = list(rebuilt_blocks(store, 0, neighbours(store.positions(0), 100, times=[0, 50, 99])))
    assert asked == [[(0, 1), (50, 51), (99, 100)]]
    assert [len(block) for block in blocks] == [3]


def test_plans_of_long_clips_are_not_cached():
    before = _plan.cache_info().currsize
    for last in range(2, 40):
        plan_of(np.array([0, last, LONGEST - 1]), LONGEST, LONGEST)
    assert _plan.cache_info().currsize == before


def test_rebuilding_a_clip_allocates_its_memory_once(tmp_path):
    store = written(tmp_path / "s.h5", 18)  # 255 MB
    code = f"import dfs_store; print(dfs_store.open_store({str(store)!r}).clip(0).shape)"
    ran = python("-c", code)
    assert (ran.code, ran.stdout) == (0, b"(65536, 3, 18, 18)\n"), ran.stderr
    assert ran.peak_bytes < 255_000_000 + MOST_BYTES
