"""A pool of decoding processes that replaces processes that crash or hang."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import dfs_store
from dfs_store.errors import DFSError, DiskFullError, OutputNotWritableError, SettingsError
from dfs_store.videos.decode.decoders import decoders_of

__all__ = ["Job", "Limits", "Result", "WorkerPool", "default_workers"]

_START_SECONDS = 60.0
# Enough for an 8K video with sixteen reference frames.
_DEFAULT_PROCESS_BYTES = 4 * 2**30
_LEAST_PROCESS_BYTES = 256 * 2**20  # loading the decoders takes half of it
_CLIP_COPIES = 4  # copies of a clip that exist while it is assembled
_TICK_SECONDS = 0.25  # the longest time between two updates for the caller
_BOOTSTRAP = (
    "import sys; root = sys.argv[1]; root in sys.path or sys.path.insert(0, root); "
    "from dfs_store.videos.decode.worker import main; main()"
)


@dataclass(frozen=True)
class Job:
    """One file to decode into one row.

    Attributes:
        row: number of the row in the clip file.
        path: path of the video.
        file: path relative to the dataset, with forward slashes.
        decoders: decoders to try, in order.
    """

    row: int
    path: str
    file: str
    decoders: Sequence[str] = decoders_of("auto")


@dataclass(frozen=True)
class Result:
    """Result of a job. The clip has been written if `error` is empty.

    Attributes:
        row: number of the row.
        error: the reason that decoding failed, or "".
        frames: frame numbers of each view.
        fps: frames per second of the video.
        decoder: name of the decoder that was used.
        note: a description of what is missing or damaged, or "".
    """

    row: int
    error: str = ""
    frames: list[list[int]] = field(default_factory=list)
    fps: float = 0.0
    decoder: str = ""
    note: str = ""


def default_workers() -> int:
    """Returns the number of cores this process may use, at most 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)


@dataclass(frozen=True)
class Limits:
    """Resource limits of decoding.

    Attributes:
        workers: number of processes, at least 1.
        timeout_seconds: time limit for decoding a file; files that take longer are skipped.
        max_memory: limit in bytes for all processes together. Defaults to 4 GiB per process plus the memory
            for a clip.

    Raises:
        SettingsError: `workers` is below 1, or `max_memory` is too small for the workers.
    """

    workers: int
    timeout_seconds: float
    max_memory: int | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise SettingsError(f"workers must be at least 1, got {self.workers}")
        if self.max_memory is not None and self.max_memory < self.workers * _LEAST_PROCESS_BYTES:
            raise SettingsError(
                f"max_memory must be at least {_LEAST_PROCESS_BYTES:,} bytes for each of the {self.workers} "
                f"decoding processes, got {self.max_memory:,} for all; allow more memory or use fewer workers"
            )

    @classmethod
    def of(cls, workers: int | None, timeout_seconds: float, max_memory: int | None) -> Self:
        """Creates limits. `workers` defaults to one per core, or fewer if `max_memory` requires it."""
        if workers is None:
            workers = default_workers()
            if max_memory is not None:
                workers = max(1, min(workers, max_memory // _LEAST_PROCESS_BYTES))
        return cls(workers, timeout_seconds, max_memory)

    def process_bytes(self, clip_bytes: int) -> int:
        """Returns the memory limit of one process in bytes."""
        if self.max_memory is not None:
            return self.max_memory // self.workers
        return _DEFAULT_PROCESS_BYTES + _CLIP_COPIES * clip_bytes


class WorkerPool:
    """A pool of decoding processes. Exiting the context manager ends all of them.

    Args:
        num_workers: number of processes, at least 1.
        settings: settings of the workers: sampling, seed, split, num_views, clips_fd, header_bytes and
            memory_bytes.
        inherited_fds: file descriptors that the processes inherit: the clip file and the lock.
        timeout_seconds: time limit for decoding a file; files that take longer are skipped.
    """

    def __init__(
        self,
        num_workers: int,
        settings: dict[str, Any],
        inherited_fds: Sequence[int],
        timeout_seconds: float,
    ) -> None:
        self._num_workers = num_workers
        self._settings = settings
        self._inherited_fds = tuple(inherited_fds)
        self._timeout_seconds = timeout_seconds
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self._selector.close()

    def run(self, jobs: Iterable[Job]) -> Iterator[Result | None]:
        """Yields one result per job in the order of completion, and None while waiting.

        If a process crashes or hangs, its file is reported as failed.

        Raises:
            DiskFullError: the disk is full.
            OutputNotWritableError: a clip could not be written for another reason.
            DFSError: the processes cannot be started.
        """
        waiting = iter(jobs)
        while True:
            self._hand_out(waiting)
            if not any(worker.job for worker in self._workers):
                return
            done = self._wait()
            if not done:
                yield None
            for worker, answer in done:
                job, worker.job = worker.job, None
                if isinstance(answer, str):
                    self._drop(worker)
                if job is None:
                    continue  # an idle process died
                if isinstance(answer, str):
                    answer = {"row": job.row, "error": answer}
                elif "unwritten" in answer:
                    reason = f"writing a prepared clip failed: {answer['unwritten']}"
                    if answer["errno"] in DiskFullError.NUMBERS:
                        raise DiskFullError(reason)
                    raise OutputNotWritableError(
                        f"{reason}. The clips decoded so far are kept; run the command again to continue"
                    )
                yield Result(**answer)

    def _hand_out(self, waiting: Iterator[Job]) -> None:
        idle = [worker for worker in self._workers if worker.job is None]
        while True:
            if not idle and len(self._workers) >= self._num_workers:
                return
            job = next(waiting, None)
            if job is None:
                return
            worker = idle.pop() if idle else self._start()
            worker.send(job, self._timeout_seconds)

    def _start(self) -> "_Worker":
        worker = _Worker(self._settings, self._inherited_fds)
        self._workers.append(worker)
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        return worker

    def _drop(self, worker: "_Worker") -> None:
        self._selector.unregister(worker.answers)
        self._workers.remove(worker)
        worker.kill()

    def _wait(self) -> "list[tuple[_Worker, dict[str, Any] | str]]":
        """Returns the answers that have arrived. A string is the reason that a process was lost."""
        busy = [worker for worker in self._workers if worker.job]
        now = time.monotonic()
        rest_seconds = min(max(0.0, min(worker.deadline for worker in busy) - now), _TICK_SECONDS)
        done: list[tuple[_Worker, dict[str, Any] | str]] = []
        for key, _ in self._selector.select(rest_seconds):
            answer = key.data.receive()
            if answer is not None:
                done.append((key.data, answer))
        answered = {id(worker) for worker, _ in done}
        for worker in busy:
            if id(worker) not in answered and time.monotonic() >= worker.deadline:
                worker.check_started()
                done.append((worker, f"decoding took more than {self._timeout_seconds:g} s"))
        return done


class _Worker:
    def __init__(self, settings: dict[str, Any], inherited_fds: tuple[int, ...]) -> None:
        self.job: Job | None = None
        self.deadline = 0.0
        self._timeout_seconds = 0.0
        self._started = False
        self._buffer = b""
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill
        root = str(Path(dfs_store.__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=inherited_fds,
            # Ctrl-C in the terminal must reach only the parent, which then ends its workers.
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.answers = self._process.stdout
        os.set_blocking(self.answers.fileno(), False)
        self._write(settings)

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        # If the process has ended, reading its answers reports that.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def send(self, job: Job, timeout_seconds: float) -> None:
        """Sends a job and starts its timeout."""
        self.job = job
        self._timeout_seconds = timeout_seconds
        # The timeout of the first job restarts when the process is ready.
        self.deadline = time.monotonic() + (timeout_seconds if self._started else _START_SECONDS)
        self._write({"row": job.row, "path": job.path, "file": job.file, "decoders": list(job.decoders)})

    def receive(self) -> dict[str, Any] | str | None:
        """Returns an answer, a string if the process crashed, or None if there is no answer yet."""
        try:
            data = os.read(self.answers.fileno(), 1 << 20)
        except BlockingIOError:
            return None
        if not data:
            self.check_started()
            return f"the decoder crashed ({_exit_reason(self._process.wait())})"
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        answer: dict[str, Any] | None = None
        for line in lines:
            message = json.loads(line)
            if message.pop("ready", False):
                self._started = True
                self.deadline = time.monotonic() + self._timeout_seconds
            else:
                answer = message
        return answer

    def check_started(self) -> None:
        """Raises DFSError if the process ended before it was ready for jobs."""
        if not self._started:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            output = self._errors.read().decode(errors="replace").strip()[-2000:]
            raise DFSError(f"a decoding process could not start ({sys.executable}); its output:\n{output}")

    def kill(self) -> None:
        """Ends the process and closes its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._errors.close()


def _exit_reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name
