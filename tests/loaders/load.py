"""Processes and threads read one store while others verify and copy it, and compare every result.

Used by the tests for seconds, and by benchmarks/load.py for minutes.
"""

import multiprocessing
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dfs_store import DFSDataset, DFSLoader, open_store
from dfs_store.format import copy_store, verify


@dataclass
class Report:
    """The outcome: the counts of all processes together, and all errors, of which there should be none."""

    batches: int = 0
    clips: int = 0
    different: int = 0
    verified: int = 0
    copies: int = 0
    errors: tuple[str, ...] = ()


def expected_clips(path) -> np.ndarray:
    """Returns all clips (N, T, C, H, W), read in one thread and checked against `store.clip`."""
    dataset = DFSDataset(path, layout="TCHW")
    clips = np.stack([dataset[number][0].numpy() for number in range(len(dataset))])
    with open_store(path) as store:
        for number in range(len(store)):
            np.testing.assert_allclose(clips[number], store.clip(number), atol=1e-5)
    return clips


def run_load(path, *, processes, threads, seconds, start_method) -> Report:
    """Reads a store in several processes and threads while others verify and copy it. Returns the sums."""
    context = multiprocessing.get_context(start_method)
    answers = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "expected.npy"
        np.save(clips, expected_clips(path))
        readers = [(_read, (path, clips, threads, seconds, number)) for number in range(processes)]
        others = [(_verify, (path, seconds)), (_copy, (path, Path(folder), seconds))]
        started = [
            context.Process(target=_answered, args=(answers, work, arguments))
            for work, arguments in [*readers, *others]
        ]
        for process in started:
            process.start()
        reports = [answers.get(timeout=seconds + 300) for _ in started]
        for process in started:
            process.join()
    total = Report()
    for report in reports:
        for name, value in vars(report).items():
            setattr(total, name, getattr(total, name) + value)
    return total


def _answered(answers, work, arguments):
    try:
        answers.put(work(*arguments))
    except BaseException:  # noqa: BLE001 - any error is a finding
        answers.put(Report(errors=(traceback.format_exc(),)))


def _read(path, clips, threads, seconds, number) -> Report:
    torch.set_num_threads(1)  # processes provide the parallelism, and OpenMP does not survive a fork
    dataset = DFSDataset(path, layout="TCHW")
    expected = torch.from_numpy(np.load(clips))
    where = {expected[clip].numpy().tobytes(): clip for clip in range(len(expected))}
    report, lock, end = Report(), threading.Lock(), time.monotonic() + seconds

    def batches(seed):
        if seed % 2:
            loader = DFSLoader(dataset, 5, shuffle=True, seed=seed)
            while True:
                yield from loader
        draws = np.random.default_rng(seed)
        while True:
            chosen = draws.integers(0, len(dataset), 5).tolist()
            items = dataset.__getitems__(chosen)
            yield torch.stack([clip for clip, _ in items]), torch.tensor([label for _, label in items])

    def compare(seed):
        kept = []
        try:
            for given, labels in batches(seed):
                found = [where.get(clip.numpy().tobytes()) for clip in given]
                wrong = sum(
                    clip is None or int(label) != int(dataset.targets[clip])
                    for clip, label in zip(found, labels, strict=True)
                )
                kept = [*kept[-3:], (given, found)]  # later batches must not change those kept
                stale = sum(
                    where.get(clip.numpy().tobytes()) != known
                    for batch, numbers in kept
                    for clip, known in zip(batch, numbers, strict=True)
                )
                with lock:
                    report.batches += 1
                    report.clips += len(given)
                    report.different += wrong + stale
                if time.monotonic() >= end:
                    return
        except BaseException:  # noqa: BLE001
            with lock:
                report.errors += (traceback.format_exc(),)

    running = [threading.Thread(target=compare, args=(number * threads + each,)) for each in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return report


def _verify(path, seconds) -> Report:
    report, end = Report(), time.monotonic() + seconds
    while time.monotonic() < end:
        found = list(verify(path))
        report.verified += 1
        report.errors += tuple(map(str, found))
    return report


def _copy(path, folder, seconds) -> Report:
    report, end = Report(), time.monotonic() + seconds
    with open_store(path) as store:
        digest = store.attributes["digest"]
    suffixes = (".zarr", ".h5")
    while time.monotonic() < end:
        target = folder / f"copy{suffixes[report.copies % 2]}"
        copy_store(path, target, overwrite=True)
        with open_store(target) as copied:
            report.different += copied.attributes["digest"] != digest
        report.copies += 1
    return report
