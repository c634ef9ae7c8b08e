"""Reads stores in separate processes with limits, so that a crash or a hang is reported like any error.

`python -m tests.attacks.reader` reads one path per line and answers each with one line of JSON. It forks for
every store, so that a store cannot damage the process for the next one, and nothing is imported twice.
"""

import contextlib
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

IMPORTED = (".pt", ".npy", ".npz", ".safetensors")
SECONDS_LIMIT = 5  # processor time
WAITING_SECONDS_LIMIT = 30
# In addition to the memory of the process itself. The stores in these tests have a few kilobytes.
MEMORY_LIMIT_BYTES = 2**30


@dataclass(frozen=True)
class Outcome:
    """The outcome of reading a store.

    Attributes:
        kind: "whole", "refused" (an error of the library), "error" (any other error), "crashed" or "hung".
        text: the error, or the signal.
        content: SHA-256 of everything that was read, if the store is intact.
        seconds: processor time, which does not depend on other programs.
        peak_bytes: largest resident memory of the process.
    """

    kind: str
    text: str
    content: str
    seconds: float
    peak_bytes: int


class Reader:
    """Runs the process and sends it paths. A context manager."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attacks.reader"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def read(self, path) -> Outcome:
        """Opens a store, reads all of it, and verifies it."""
        return self._ask(str(Path(path).absolute()))

    def misbehave(self, how) -> Outcome:
        """Runs one of `MISBEHAVIOURS`, which the limits must stop."""
        return self._ask(f"misbehave {how}")

    def _ask(self, line) -> Outcome:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def _loop():
    while True:
        pass


MISBEHAVIOURS = {
    "misbehave memory": lambda: bytearray(2 * MEMORY_LIMIT_BYTES),
    "misbehave time": _loop,
    "misbehave crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
}


def content_of(path) -> str:
    """Returns the SHA-256 of everything in a store: attributes, index, key frames, native arrays."""
    from dfs_store.format import open_store

    seen = hashlib.sha256()
    with open_store(path) as store:
        seen.update(json.dumps(store.attributes, sort_keys=True).encode())
        seen.update(f"{store.dtype} {len(store)}".encode())
        seen.update(store.labels.tobytes())
        for clip in range(len(store)):
            parts = [store.key_frames(clip), store.positions(clip)]
            parts += [] if (steps := store.inserted_at(clip)) is None else [steps]
            for part in parts:
                seen.update(f"{part.dtype} {part.shape}".encode() + part.tobytes())
        for name, array in sorted(store.native_arrays().items()):
            seen.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return seen.hexdigest()


def _imported(path: str) -> dict[str, str]:
    """Imports a file, with labels beside it if there are any, and reads the resulting store."""
    from dfs_store.errors import DFSError
    from dfs_store.exchange.imports.import_clips import ImportSettings, import_clips
    from dfs_store.exchange.imports.read_file import FileOptions

    out = Path(f"{path}.zarr")
    labels = next((str(file) for file in Path(path).parent.glob("labels.*")), None)
    try:
        import_clips(path, out, ImportSettings(FileOptions(labels=labels)))
    except DFSError as error:
        return {"kind": "error" if out.exists() else "refused", "text": str(error)}
    return {"kind": "whole", "content": content_of(out)}


def _answer(path: str) -> dict[str, str]:
    if path.endswith(IMPORTED):
        return _imported(path)
    from dfs_store.errors import DFSError
    from dfs_store.format import verify

    try:
        content = content_of(path)
    except DFSError as error:
        refused = str(error)
        # `verify` must not find a store intact that cannot be read.
        with contextlib.suppress(DFSError):
            if not list(verify(path)):
                return {"kind": "error", "text": f"verify finds nothing, but: {refused}"}
        return {"kind": "refused", "text": refused}
    problems = list(verify(path))
    if problems:
        return {"kind": "error", "text": f"can be read, but verify says: {problems[0]}"}
    return {"kind": "whole", "content": content}


def read_apart(path: str) -> Outcome:
    """Reads a store in a fork of this process."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(receive)
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_LIMIT_BYTES, resource.RLIM_INFINITY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            # The first limit ends loops, including loops in libraries. The second ends a process that waits.
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
            signal.alarm(WAITING_SECONDS_LIMIT)
            try:
                answer = MISBEHAVIOURS[path]() if path in MISBEHAVIOURS else _answer(path)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
                answer = {"kind": "error", "text": f"{type(error).__name__}: {error}"}
            os.write(send, json.dumps(answer).encode()[:60_000])
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        kind = "hung" if number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL) else "crashed"
        answer = {"kind": kind, "text": signal.Signals(number).name}
    else:
        answer = json.loads(said)
    empty = {"text": "", "content": ""}
    measured = {"seconds": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024}
    return Outcome(**(empty | answer | measured))


def main() -> None:
    import h5py  # noqa: F401 - once, before the forks

    import dfs_store.exchange.imports.import_clips
    import dfs_store.exchange.imports.read_torch
    import dfs_store.format
    import dfs_store.format.coded.codec
    import dfs_store.format.zarr.general  # noqa: F401

    for line in sys.stdin:
        sys.stdout.write(json.dumps(vars(read_apart(line.rstrip("\n")))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
