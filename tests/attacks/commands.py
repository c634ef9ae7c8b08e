"""Runs commands of `dfs` in processes of their own, and says what memory and time they took."""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# A command that is out of bounds ends by itself.
MEMORY_LIMIT_BYTES = 6 * 2**30


@dataclass(frozen=True)
class Ran:
    """What a command did.

    Attributes:
        code: its exit code; negative numbers are signals.
        stdout: as bytes.
        stderr: as text.
        peak_bytes: the process's resident memory at its highest.
    """

    code: int
    stdout: bytes
    stderr: str
    peak_bytes: int


def run(*words, seconds=60, stdin=subprocess.DEVNULL, env=None, cwd=None) -> Ran:
    """Types `dfs`, words of text or bytes; a command that takes longer than `seconds` is an error."""
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
    """Waits for the end, and returns the most memory that was seen.

    The kernel's own figure at the end would also count the process that this one was forked from.
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
