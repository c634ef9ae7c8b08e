import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dfs_store.errors import DFSError, OutputNotWritableError
from dfs_store.videos.cache.entries import HEADER_BYTES
from dfs_store.videos.decode.pool import Job, WorkerPool
from dfs_store.videos.decode.sampling import Sampling
from tests.videos.making import make_video, motion_jpeg

SMALL = Sampling(frames=4, stride=2, size=64, resize="direct")


@pytest.fixture
def clips_fd(tmp_path):
    descriptor = os.open(tmp_path / "clips", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def pool_of(num_workers, clips_fd, timeout_seconds=60.0, memory_bytes=2**32):
    settings = {
        "sampling": SMALL.to_json(),
        "seed": 0,
        "split": "train",
        "num_views": 1,
        "clips_fd": clips_fd,
        "header_bytes": HEADER_BYTES,
        "memory_bytes": memory_bytes,
    }
    return WorkerPool(num_workers, settings, [clips_fd], timeout_seconds)


def jobs_for(*paths):
    return [Job(row, str(path), path.name) for row, path in enumerate(paths)]


def finished(results):
    return {result.row: result for result in results if result is not None}


def test_every_job_gets_one_result(tmp_path, clips_fd):
    good = [make_video(tmp_path / f"{n}.avi") for n in range(5)]
    bad = tmp_path / "bad.avi"
    bad.write_text("no video")
    with pool_of(3, clips_fd) as pool:
        results = finished(pool.run(jobs_for(*good, bad)))
    assert sorted(results) == list(range(6))
    assert [bool(results[row].error) for row in range(6)] == [False] * 5 + [True]
    assert os.fstat(clips_fd).st_size == HEADER_BYTES + 5 * 4 * 64 * 64 * 3


def test_a_file_that_hangs_fails_and_the_others_are_decoded(tmp_path, clips_fd):
    os.mkfifo(tmp_path / "hangs.avi")  # opening it blocks forever
    good = [make_video(tmp_path / f"{n}.avi") for n in range(3)]
    start = time.monotonic()
    with pool_of(1, clips_fd) as pool:
        finished(pool.run(jobs_for(good[0])))  # the process has started
        pool._timeout_seconds = 0.5
        results = finished(pool.run(jobs_for(tmp_path / "hangs.avi", *good)))
    assert [bool(results[row].error) for row in range(4)] == [True, False, False, False]
    assert "more than 0.5 s" in results[0].error
    assert time.monotonic() - start < 60


def test_a_crash_is_attributed_to_its_file_and_the_others_are_decoded(tmp_path, clips_fd):
    os.mkfifo(tmp_path / "crashes.avi")
    good = [make_video(tmp_path / f"{n}.avi") for n in range(2)]
    results = {}
    with pool_of(1, clips_fd) as pool:
        finished(pool.run(jobs_for(good[0])))
        for result in pool.run(jobs_for(tmp_path / "crashes.avi", *good)):
            if result is not None:
                results[result.row] = result
            for worker in pool._workers:
                if worker.job is not None and worker.job.row == 0 and worker._started:
                    os.kill(worker._process.pid, signal.SIGSEGV)
                    time.sleep(0.05)
    assert results[0].error == "the decoder crashed (SIGSEGV)"
    assert not results[1].error
    assert not results[2].error


def test_a_video_too_large_for_its_process_is_named_and_the_others_are_decoded(tmp_path, clips_fd):
    giant = motion_jpeg(tmp_path / "giant.avi", 10_000, 10_000, frames=2)
    good = make_video(tmp_path / "good.avi")
    with pool_of(1, clips_fd, memory_bytes=220 * 2**20) as pool:
        results = finished(pool.run(jobs_for(good, giant)))
    assert not results[0].error
    # The wording depends on the library that ran out of memory.
    assert results[1].error
    with pool_of(1, clips_fd) as pool:  # with enough memory, it is an ordinary video
        assert not finished(pool.run(jobs_for(giant)))[0].error


def test_an_unwritable_cache_ends_the_run_and_no_video_is_reported(tmp_path, clips_fd):
    video = make_video(tmp_path / "a.avi")
    unwritable = os.open(tmp_path / "clips", os.O_RDONLY)
    try:
        with (
            pool_of(1, unwritable) as pool,
            pytest.raises(OutputNotWritableError, match=r"prepared clip failed: .*run the command again"),
        ):
            list(pool.run(jobs_for(video)))
    finally:
        os.close(unwritable)


def test_no_process_survives_the_pool(tmp_path, clips_fd):
    os.mkfifo(tmp_path / "hangs.avi")
    with pool_of(2, clips_fd) as pool:
        next(pool.run(jobs_for(tmp_path / "hangs.avi", tmp_path / "hangs.avi")))
        processes = [worker._process for worker in pool._workers]
        assert processes
    assert all(process.poll() is not None for process in processes)


def test_a_process_that_cannot_start_is_an_error_and_not_retried(tmp_path, clips_fd, monkeypatch):
    monkeypatch.setattr("dfs_store.videos.decode.pool._BOOTSTRAP", "raise SystemExit('no such module')")
    with pool_of(1, clips_fd) as pool, pytest.raises(DFSError, match="no such module"):
        list(pool.run(jobs_for(tmp_path / "any.avi")))


def worker_process(clips_fd, **options):
    settings = {
        "sampling": SMALL.to_json(),
        "seed": 0,
        "split": "train",
        "num_views": 1,
        "clips_fd": clips_fd,
        "header_bytes": 0,
        "memory_bytes": 2**32,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", "from dfs_store.videos.decode.worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[clips_fd],
        text=True,
        **options,
    )
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    return process


def test_workers_do_not_import_torch(clips_fd):
    process = worker_process(clips_fd)
    answer = json.loads(process.stdout.readline())
    process.communicate()
    assert answer["ready"]
    assert "av" in answer["modules"]
    assert "torch" not in answer["modules"]


def test_a_worker_ends_when_its_input_closes(clips_fd):
    process = worker_process(clips_fd)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_worker_ends_soon_after_its_parent_even_if_it_hangs(tmp_path, clips_fd):
    os.mkfifo(tmp_path / "hangs.avi")
    script = f"""
import os, sys, time
from dfs_store.videos.decode.pool import Job, WorkerPool
settings = {{"sampling": {SMALL.to_json()!r}, "seed": 0, "split": "train", "num_views": 1,
            "clips_fd": {clips_fd}, "header_bytes": 0, "memory_bytes": 2**32}}
with WorkerPool(1, settings, [{clips_fd}], 60) as pool:
    for _ in pool.run([Job(0, {str(tmp_path / "hangs.avi")!r}, "hangs.avi")]):
        if pool._workers[0]._started:
            print(pool._workers[0]._process.pid, flush=True)
            time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, pass_fds=[clips_fd], text=True
    )
    worker_pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker_pid}") and not _is_zombie(worker_pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
