import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dfs_store.errors import DiskFullError, EmptyClassError, OutputNotWritableError, SettingsError
from dfs_store.videos.cache.entries import CacheEntry, cache_root, list_entries, remove_entry
from dfs_store.videos.cache.prepare import _Run, prepare
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.cliplist import ClipFile, ClipList
from dfs_store.videos.files.folders import read_folders
from dfs_store.videos.files.reading import Reading
from tests.videos.making import frame_of, make_folder, make_video

SMALL = Sampling(frames=4, stride=2, size=64, resize="direct")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("videos"), clips=3)


def run(found, cache, **options):
    options = {"sampling": SMALL, "dataset": "tiny", "split": "train", "workers": 1, **options}
    return prepare(found, cache_dir=cache, **options)


def listing(folder):
    return read_folders(Path(folder), "train", Reading())


def test_clips_are_cached_as_a_plain_array_file(folder, tmp_path):
    entry = run(listing(folder), tmp_path)
    clips = np.load(entry.clips_path, mmap_mode="r")
    assert clips.shape == (6, 1, 4, 64, 64, 3)
    assert clips.dtype == np.uint8
    frames = entry.load_frames()
    for clip, picked in zip(clips, frames, strict=True):
        assert [frame_of(picture) for picture in clip[0]] == picked[0].tolist()
    index = entry.read_index()
    assert index["files"] == [f"{name}/clip{n}.avi" for name in ("left", "right") for n in range(3)]
    assert index["labels"] == [0, 0, 0, 1, 1, 1]
    assert sorted(path.name for path in entry.directory.iterdir()) == [
        "clips.npy",
        "frames.npy",
        "index.json",
        "lock",
        "request.json",
    ]


def test_prepared_clips_are_not_decoded_again(folder, tmp_path):
    entry = run(listing(folder), tmp_path)
    before = entry.clips_path.stat()
    events = []
    assert run(listing(folder), tmp_path, on_progress=events.append) == entry
    assert entry.clips_path.stat() == before
    assert events == []


def test_the_same_seed_gives_the_same_clips_whatever_the_order_and_the_workers(folder, tmp_path):
    found = listing(folder)
    one = run(found, tmp_path / "one").map_clips()
    backwards = ClipList(found.root, found.clips[::-1], found.classes)
    other = run(backwards, tmp_path / "two", workers=3).map_clips()
    assert np.array_equal(one, other[::-1])
    assert not np.array_equal(one, run(found, tmp_path / "one", seed=1).map_clips())


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"split": "test"}, {"sampling": Sampling(frames=4, stride=1, size=64, resize="direct")}],
)
def test_each_seed_split_and_sampling_has_its_own_entry(folder, tmp_path, change):
    assert run(listing(folder), tmp_path) != run(listing(folder), tmp_path, **change)


def test_a_changed_file_has_a_new_entry(tmp_path):
    root = make_folder(tmp_path / "videos", clips=1)
    first = run(listing(root), tmp_path / "cache")
    make_video(root / "left/clip0.avi", 9)
    assert run(listing(root), tmp_path / "cache") != first


def test_moved_videos_keep_their_entry(tmp_path):
    root = make_folder(tmp_path / "videos", clips=1)
    first = run(listing(root), tmp_path / "cache")
    root.rename(tmp_path / "elsewhere")
    assert run(listing(tmp_path / "elsewhere"), tmp_path / "cache") == first


def test_progress_starts_at_zero_and_ends_at_the_total(folder, tmp_path):
    events = []
    run(listing(folder), tmp_path, on_progress=events.append)
    assert (events[0].done, events[0].total) == (0, 6)
    assert (events[-1].done, events[-1].failed) == (6, 0)
    assert events[-1].clips_per_second > 0


def test_files_that_cannot_be_decoded_are_skipped_and_listed(tmp_path):
    root = make_folder(tmp_path / "videos", clips=4)
    whole = run(listing(root), tmp_path / "cache").map_clips()
    (root / "left/clip1.avi").write_text("no video")
    (root / "right/clip0.avi").write_bytes(b"")
    events = []
    entry = run(listing(root), tmp_path / "cache", on_progress=events.append)
    index = entry.read_index()
    assert np.array_equal(entry.map_clips(), whole[[0, 2, 3, 5, 6, 7]])
    assert index["labels"] == [0, 0, 0, 1, 1, 1]
    assert index["files"][:3] == ["left/clip0.avi", "left/clip2.avi", "left/clip3.avi"]
    assert {failure["file"] for failure in index["failed"]} == {"left/clip1.avi", "right/clip0.avi"}
    assert all(failure["reason"] for failure in index["failed"])
    assert events[-1].failed == 2


def test_a_class_without_decodable_clips_is_refused_and_named(tmp_path):
    root = make_folder(tmp_path / "videos", clips=1)
    (root / "right/clip0.avi").write_text("no video")
    with pytest.raises(EmptyClassError, match=r"class right .*\n *right/clip0.avi: it is not a video"):
        run(listing(root), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_refused_before_anything_is_decoded(folder, tmp_path):
    huge = Sampling(frames=65_536, stride=1, size=4096, resize="direct")
    with pytest.raises(DiskFullError, match="DFS_CACHE"):
        run(listing(folder), tmp_path, sampling=huge)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_becomes_full_while_decoding_is_named(folder, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (99_999, 99_999))\n"
    command = [sys.executable, "-c", limit + PREPARE_IN_A_PROCESS, str(folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "DiskFullError: the disk that contains" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_not_writable_is_refused(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputNotWritableError, match="DFS_CACHE"):
        run(listing(folder), tmp_path / "file")


def test_zero_workers_are_refused(folder, tmp_path):
    with pytest.raises(SettingsError, match="at least 1, got 0"):
        run(listing(folder), tmp_path, workers=0)


PREPARE_IN_A_PROCESS = """
import sys
from importlib import import_module
from pathlib import Path
from dfs_store.videos.files.folders import read_folders
from dfs_store.videos.files.reading import Reading
from dfs_store.videos.cache.prepare import prepare
from dfs_store.videos.decode.sampling import Sampling
# Slow enough for the kill to interrupt the work.
import_module("dfs_store.videos.cache.prepare")._JOURNAL_SECONDS = 0.0
found = read_folders(Path(sys.argv[1]), "train", Reading())
small = Sampling(frames=4, stride=2, size=64, resize="direct")
prepare(found, small, dataset="tiny", split="train", workers=2, cache_dir=sys.argv[2])
assert "torch" not in sys.modules
"""


def start_elsewhere(root, cache):
    return subprocess.Popen([sys.executable, "-c", PREPARE_IN_A_PROCESS, str(root), str(cache)])


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder of 200 clips, which are hard links to a few videos. One is broken."""
    root = tmp_path_factory.mktemp("many")
    originals = [make_video(root / f"original{n}.avi", 6 + n) for n in range(5)]
    (root / "broken.avi").write_text("no video")
    for number in range(200):
        target = root / "videos" / ("even", "odd")[number % 2] / f"{number:03d}.avi"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % 5] if number != 50 else root / "broken.avi", target)
    return root / "videos"


def test_a_killed_run_is_continued_and_nothing_is_decoded_twice(many, tmp_path, monkeypatch):
    process = start_elsewhere(many, tmp_path / "cache")
    wait_for(lambda: list((tmp_path / "cache").glob("*/journal.jsonl")))
    (journal,) = (tmp_path / "cache").glob("*/journal.jsonl")
    wait_for(lambda: journal.stat().st_size > 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = [json.loads(line)["row"] for line in journal.read_text().splitlines()]
    assert 0 < len(finished) < 200
    with journal.open("a") as file:
        file.write('{"row": 199, "error')  # a line that the kill left half-written

    events, handed_out = [], []
    real_jobs = _Run._jobs

    def jobs(self, rows):
        handed_out.extend(rows)
        return real_jobs(self, rows)

    monkeypatch.setattr(_Run, "_jobs", jobs)
    entry = run(listing(many), tmp_path / "cache", workers=2, on_progress=events.append)
    monkeypatch.undo()
    resumed = next(event for event in events if not event.waiting)
    assert resumed.done == len(finished)
    assert sorted(handed_out + finished) == list(range(200))
    fresh = run(listing(many), tmp_path / "fresh", workers=2)
    assert np.array_equal(entry.map_clips(), fresh.map_clips())
    assert np.array_equal(entry.load_frames(), fresh.load_frames())
    assert entry.read_index() == fresh.read_index()
    assert len(entry.map_clips()) == 199


def test_two_processes_that_prepare_the_same_clips_take_turns(many, tmp_path):
    process = start_elsewhere(many, tmp_path)
    wait_for(lambda: list(tmp_path.glob("*/journal.jsonl")))
    events = []
    entry = run(listing(many), tmp_path, on_progress=events.append)
    assert process.wait() == 0
    assert events
    assert all(event.waiting for event in events)
    assert len(entry.map_clips()) == 199


def test_a_damaged_entry_is_prepared_again(folder, tmp_path):
    entry = run(listing(folder), tmp_path)
    clips = np.array(entry.map_clips())
    with entry.clips_path.open("r+b") as file:
        file.truncate(1000)
    assert entry.read_index() is None
    again = run(listing(folder), tmp_path)
    assert again == entry
    assert np.array_equal(again.map_clips(), clips)


def test_entries_of_older_versions_are_obsolete(folder, tmp_path):
    entry = run(listing(folder), tmp_path)
    (item,) = list_entries(tmp_path)
    assert not item["obsolete"]
    request = json.loads(entry.request_path.read_text())
    request["decoding"]["version"] -= 1
    entry.request_path.write_text(json.dumps(request))
    (tmp_path / "extractors").mkdir()
    (tmp_path / "extractors" / "0123456789abcdef.pt").write_bytes(b"old")
    assert [item["obsolete"] for item in list_entries(tmp_path)] == [True, True]


def test_each_decoder_has_its_own_entries(folder, tmp_path):
    entries = {run(listing(folder), tmp_path, decoder=name).directory for name in ("auto", "pyav")}
    assert len(entries) == 2
    with pytest.raises(SettingsError, match="decoder must be one of auto, pyav, decord, got 'ffmpeg'"):
        run(listing(folder), tmp_path, decoder="ffmpeg")


def test_the_cache_is_listed_and_cleaned(folder, tmp_path):
    entry = run(listing(folder), tmp_path)
    (tmp_path / "something else").mkdir()
    (item,) = list_entries(tmp_path)
    assert item["key"] == entry.directory.name
    assert (item["dataset"], item["split"], item["complete"], item["num_clips"]) == ("tiny", "train", True, 6)
    assert not item["in_use"]
    assert item["size_bytes"] > 6 * 4 * 64 * 64 * 3
    assert remove_entry(item["key"], tmp_path) == item["size_bytes"]
    assert list_entries(tmp_path) == []
    assert (tmp_path / "something else").is_dir()


def test_an_entry_in_use_is_not_removed(folder, tmp_path):
    entry = run(listing(folder), tmp_path)
    with entry.locked(), pytest.raises(Exception, match="preparing"):
        remove_entry(entry.directory.name, tmp_path)
    with pytest.raises(Exception, match="no entry"):
        remove_entry("absent", tmp_path)


def test_a_waiting_process_notices_that_the_entry_was_removed(tmp_path):
    entry = CacheEntry(tmp_path / "entry")
    waited = threading.Event()
    held = []

    def wait():
        with entry.locked(waited.set):
            held.append((entry.directory / "lock").exists())

    with entry.locked():
        thread = threading.Thread(target=wait)
        thread.start()
        assert waited.wait(10)
        shutil.rmtree(entry.directory)
    thread.join(10)
    assert held == [True]


def test_the_cache_is_in_the_requested_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "env"))
    assert cache_root() == tmp_path / "env"
    assert cache_root(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("DFS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache/dfs-store"


def test_a_long_list_of_failures_is_abbreviated(tmp_path):
    found = ClipList(tmp_path, [ClipFile(f"c/{n}.avi", "c") for n in range(300)], ["c"])
    (tmp_path / "c").mkdir()
    for clip in found.clips:
        (tmp_path / clip.file).touch()
    with pytest.raises(EmptyClassError, match="and 290 more"):
        run(found, tmp_path / "cache", workers=2)
