"""The decoding process: reads jobs as lines of JSON, writes clips into the cache, and answers in JSON.

`pool` starts this module as a separate program, so that it imports neither torch nor the caller's script.
"""

import contextlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO, Any

import av
import av.logging
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DecodeError
from dfs_store.format.io.durable import write_all_at
from dfs_store.videos.decode.decoding import DecodedClip, decode_clip
from dfs_store.videos.decode.sampling import Sampling, frame_numbers

__all__ = ["main"]

_ORPHAN_POLL_SECONDS = 0.25


def main() -> None:
    """Serves jobs from stdin until it closes."""
    answers = _private_stdout()
    av.logging.set_libav_level(av.logging.PANIC)  # a damaged video could fill the disk with warnings
    _exit_with_parent(os.getppid())
    settings = json.loads(sys.stdin.readline())
    _limit_memory(settings["memory_bytes"])
    _answer(answers, {"ready": True, "modules": sorted(set(sys.modules) & {"torch", "decord", "av"})})
    for line in sys.stdin:
        _answer(answers, _serve(json.loads(line), settings))


def _private_stdout() -> IO[str]:
    """Returns the pipe for answers. Redirects stdout to stderr, since C libraries may print to stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _exit_with_parent(parent: int) -> None:
    """Ends this process when its parent ends, even if decoding hangs.

    Until then, the process holds the inherited lock of the cache entry, so that no other process can write to
    the entry at the same time.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_ORPHAN_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _limit_memory(count_bytes: int) -> None:
    """Limits this process's memory. A video that needs more raises an error or crashes its decoder."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = count_bytes if most == resource.RLIM_INFINITY else min(count_bytes, most)
    with contextlib.suppress(OSError, ValueError):  # the system does not support the limit
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _answer(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _serve(job: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    row = job["row"]
    try:
        with _openable(job["path"]) as job["path"]:
            clip = _decode(job, settings)
    except DecodeError as error:
        # The parent adds the path relative to the dataset.
        return {"row": row, "error": str(error).removeprefix(f"{job['path']}: ")}
    except MemoryError:
        return {
            "row": row,
            "error": f"decoding needs more than the limit of {settings['memory_bytes']:,} bytes per process",
        }
    except Exception as error:  # noqa: BLE001 - a bad file is reported and skipped
        return {"row": row, "error": f"{type(error).__name__}: {error}"}
    try:
        offset = settings["header_bytes"] + row * clip.pixels.nbytes
        write_all_at(settings["clips_fd"], clip.pixels.reshape(-1).data, offset)
    except OSError as error:
        # The cache is at fault, not the video. The run ends, and the next run decodes the file.
        return {"row": row, "unwritten": str(error), "errno": error.errno}
    return {
        "row": row,
        "frames": clip.frames.tolist(),
        "fps": clip.fps,
        "decoder": clip.decoder,
        "note": clip.note,
    }


@contextlib.contextmanager
def _openable(path: str) -> Iterator[str]:
    """Yields a path that FFmpeg accepts: the path of a file descriptor if the name is not UTF-8."""
    try:
        path.encode()
        is_accepted = True
    except UnicodeEncodeError:
        is_accepted = os.path.isdir(path)  # Python opens the images in a folder
    if is_accepted:
        yield path
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield f"/dev/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _decode(job: dict[str, Any], settings: dict[str, Any]) -> DecodedClip:
    sampling = Sampling(**settings["sampling"])

    def pick(length: int, fps: float) -> npt.NDArray[np.int64]:
        return np.stack(
            [
                frame_numbers(
                    sampling,
                    length,
                    fps,
                    seed=settings["seed"],
                    split=settings["split"],
                    file=job["file"],
                    view=view,
                )
                for view in range(settings["num_views"])
            ]
        )

    return decode_clip(job["path"], sampling, pick, decoders=job["decoders"])
