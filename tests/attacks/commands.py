"""Runs `dfs` commands in separate processes, and measures their memory."""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# A command that exceeds the limit fails.
MEMORY_LIMIT_BYTES = 6 * 2**30


@dataclass(frozen=True)
class Ran:
    """The outcome of a command.

    Attributes:
        code: exit code; negative numbers are signals.
        stdout: standard output as bytes.
        stderr: standard error as text.
        peak_bytes: largest resident memory of the process.
    """

    code: int
    stdout: bytes
    stderr: str
    peak_bytes: int


def run(*words, seconds=60, stdin=subprocess.DEVNULL, env=None, cwd=None) -> Ran:
    """Runs `dfs` with arguments of text or bytes, and kills it after `seconds`."""
    return python("-m", "dfs_store.cli", *words, seconds=seconds, stdin=stdin, env=env, cwd=cwd)


def python(*words, seconds=60, stdin=subprocess.DEVNULL, env=None, cwd=None) -> Ran:
    """Runs Python with these arguments."""

    def limited():
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))

    environment = {**os.environ, **(env or {})}
    environment.pop("DFS_DEBUG", None)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, *map(os.fspath, words)],
            stdin=stdin,
            stdout=out,
            stderr=err,
            env=environment,
            cwd=cwd,
            preexec_fn=limited,
        )
        peak_bytes = _wait(process, seconds)
        out.seek(0)
        err.seek(0)
        return Ran(process.returncode, out.read(), err.read().decode("utf-8", "replace"), peak_bytes)


def _wait(process, seconds):
    """Waits for the process to end, and returns the largest resident memory observed.

    The kernel's final figure would include the process that this one was forked from.
    """
    peak, end = 0, time.monotonic() + seconds
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError, ProcessLookupError):
            text = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(text.split("VmHWM:")[1].split()[0]) * 1024)
        if time.monotonic() > end:
            process.kill()
        time.sleep(0.01)
    return peak
