"""Several machines prepare one cache in any order, at the same time or with interruptions."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dfs_store.errors import SettingsError
from dfs_store.videos.cache.entries import CacheEntry
from dfs_store.videos.cache.prepare import prepare, prepare_shard
from dfs_store.videos.cache.shards import Shard
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.folders import read_folders
from dfs_store.videos.files.reading import Reading
from tests.videos.making import make_folder


def slurm(number, first, step, count):
    names = ("ID", "MIN", "STEP", "COUNT")
    values = (number, first, step, count)
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in zip(names, values, strict=True)}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (slurm(0, 0, 1, 16), "1/16"),
        (slurm(15, 0, 1, 16), "16/16"),
        (slurm(3, 1, 1, 16), "3/16"),
        (slurm(9, 1, 4, 3), "3/3"),
    ],
)
def test_a_slurm_task_determines_its_shard(environment, shard):
    assert str(Shard.parse("auto", environment)) == shard


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("auto", slurm(10, 1, 4, 3), "task 10 of an array from 1 in steps of 4"),
        ("auto", slurm(13, 1, 4, 3), "is not one of the shards 1/N"),  # an array of 1,5,13
        ("auto", slurm(1, 1, 0, 3), "in steps of 0"),
        ("auto", {}, "SLURM_ARRAY_TASK_ID is not set"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not set"),
        ("auto", slurm("x", 1, 1, 3), "must be a whole number, got 'x'"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "add it, for example auto/16"),
        ("auto/16", {}, "JOB_COMPLETION_INDEX is not set"),
        ("auto/16", {"JOB_COMPLETION_INDEX": "16"}, "I between 1 and N, got 17/16"),
        ("auto/16", slurm(0, 0, 1, 16), "use --shard auto"),
        ("auto/", {}, "must be auto or a share such as 3/16"),
        ("3", {}, "must be auto or a share such as 3/16"),
    ],
)
def test_a_shard_that_cannot_be_determined_is_refused(text, environment, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        Shard.parse(text, environment)


def test_a_kubernetes_pod_determines_its_shard():
    assert str(Shard.parse("auto/16", {"JOB_COMPLETION_INDEX": "0"})) == "1/16"
    assert str(Shard.parse("auto/16", {"JOB_COMPLETION_INDEX": "15"})) == "16/16"


SMALL = Sampling(frames=4, stride=2, size=64, resize="direct")
OPTIONS = {"sampling": SMALL, "dataset": "tiny", "split": "train", "workers": 1}
SHARD_IN_A_PROCESS = """
import sys
from importlib import import_module
from pathlib import Path
from dfs_store.videos.files.folders import read_folders
from dfs_store.videos.files.reading import Reading
from dfs_store.videos.cache.prepare import prepare_shard
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.cache.shards import Shard

import_module("dfs_store.videos.cache.prepare")._JOURNAL_SECONDS = 0.0
small = Sampling(frames=4, stride=2, size=64, resize="direct")
found = read_folders(Path(sys.argv[1]), "train", Reading())
shard = Shard.parse(sys.argv[3])
prepare_shard(found, small, shard, dataset="tiny", split="train", workers=1, cache_dir=sys.argv[2])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of 14 clips, one of which is broken."""
    root = make_folder(tmp_path_factory.mktemp("videos"), clips=7)
    (Path(root) / "left" / "clip2.avi").write_text("no video")
    return root


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    return prepare(listing(folder), cache_dir=tmp_path_factory.mktemp("whole"), **OPTIONS)


def listing(folder):
    return read_folders(Path(folder), "train", Reading())


def shard(folder, cache, text):
    return prepare_shard(listing(folder), shard=Shard.parse(text), cache_dir=cache, **OPTIONS)


def entry_in(cache):
    (request,) = cache.glob("*/request.json")
    return CacheEntry(request.parent)


def assert_same(entry, whole):
    assert entry.read_index() == whole.read_index()
    assert np.array_equal(entry.map_clips(), whole.map_clips())
    assert np.array_equal(entry.load_frames(), whole.load_frames())
    names = sorted(path.name for path in entry.directory.iterdir())
    assert names == ["clips.npy", "frames.npy", "index.json", "lock", "request.json"]


def start_elsewhere(folder, cache, text):
    return subprocess.Popen([sys.executable, "-c", SHARD_IN_A_PROCESS, str(folder), str(cache), text])


def test_shards_are_prepared_one_after_the_other(folder, whole, tmp_path):
    reports = [shard(folder, tmp_path, text) for text in ("2/3", "3/3")]
    assert [report.missing for report in reports] == [(1, 3), (1,)]
    assert entry_in(tmp_path).read_index() is None
    last = shard(folder, tmp_path, "1/3")
    assert last.missing == ()
    assert [last.num_files, *(report.num_files for report in reports)] == [5, 5, 4]
    assert [last.num_failed, *(report.num_failed for report in reports)] == [0, 0, 1]
    assert_same(entry_in(tmp_path), whole)
    assert shard(folder, tmp_path, "3/3") == shard(folder, tmp_path, "3/3")  # nothing remains to be done
    assert shard(folder, tmp_path, "3/3").num_failed == 1


def test_shards_are_prepared_at_the_same_time(folder, whole, tmp_path):
    processes = [start_elsewhere(folder, tmp_path, f"{number}/3") for number in (1, 2, 3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert_same(entry_in(tmp_path), whole)


def test_the_same_shard_twice_at_once_takes_turns(folder, whole, tmp_path):
    processes = [start_elsewhere(folder, tmp_path, "1/2") for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    rows = [json.loads(line)["row"] for line in next(tmp_path.glob("*/journal*")).read_text().splitlines()]
    assert sorted(rows) == list(range(0, 14, 2))
    shard(folder, tmp_path, "2/2")
    assert_same(entry_in(tmp_path), whole)


def test_a_killed_shard_is_finished_by_a_run_without_shards(folder, whole, tmp_path):
    process = start_elsewhere(folder, tmp_path, "2/2")
    end = time.monotonic() + 60
    while not any(journal.stat().st_size for journal in tmp_path.glob("*/journal-2-of-2.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert shard(folder, tmp_path, "1/2").missing in ((2,), ())  # it may have finished before the signal
    assert_same(prepare(listing(folder), cache_dir=tmp_path, **OPTIONS), whole)


def test_a_damaged_entry_is_prepared_again(folder, whole, tmp_path):
    entry = prepare(listing(folder), cache_dir=tmp_path, **OPTIONS)
    with entry.clips_path.open("r+b") as file:
        file.truncate(1000)
    assert shard(folder, tmp_path, "1/2").missing == (2,)
    assert shard(folder, tmp_path, "2/2").missing == ()
    assert_same(entry, whole)


@pytest.mark.parametrize("damaged", [False, True])
def test_an_entry_completed_by_another_process_is_used(folder, whole, tmp_path, damaged):
    entry = CacheEntry(tmp_path / whole.directory.name)
    waits, reports = threading.Event(), []
    options = {**OPTIONS, "cache_dir": tmp_path, "on_progress": lambda event: event.waiting and waits.set()}
    with entry.locked():
        if damaged:
            entry.index_path.write_text("{}")
        thread = threading.Thread(
            target=lambda: reports.append(prepare_shard(listing(folder), shard=Shard(3, 3), **options))
        )
        thread.start()
        assert waits.wait(30)
        for name in ("clips.npy", "frames.npy", "request.json", "index.json"):
            shutil.copy(whole.directory / name, entry.directory / name)
    thread.join(60)
    assert [(report.missing, report.num_failed) for report in reports] == [((), 1)]
    assert entry.read_index() == whole.read_index()


def test_zero_workers_are_refused(folder, tmp_path):
    with pytest.raises(SettingsError, match=r"workers must be at least 1, got 0"):
        prepare_shard(listing(folder), shard=Shard(1, 2), cache_dir=tmp_path, **{**OPTIONS, "workers": 0})


def test_every_row_is_in_exactly_one_shard():
    for count in (1, 2, 5):
        rows = [row for number in range(1, count + 1) for row in range(13) if Shard(number, count).has(row)]
        assert sorted(rows) == list(range(13))
        assert all(Shard(Shard(1, count).of(row), count).has(row) for row in range(13))
    assert Shard.parse(" 3/16 ") == Shard(3, 16)
    assert str(Shard(3, 16)) == "3/16"


@pytest.mark.parametrize("text", ["3", "a/b", "-1/2", "1/", "1/2/3", "", "1/0"])
def test_invalid_shards_are_rejected(text):
    with pytest.raises(SettingsError, match=r"shard"):
        Shard.parse(text)
