"""Reads key frames stored as image files, compares them with their checksums, and decodes them."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.coded.codec import decode_file
from dfs_store.format.container import RowSource
from dfs_store.format.spec import FRAME_ENCODINGS, Header
from dfs_store.format.stored_frames import MISMATCH, DamagedFrameError

__all__ = ["CodedFrames"]

Array = npt.NDArray[Any]
Span = tuple[int, int]
Wanted = tuple[int, slice, Array]  # a file, the frames to take from it, and the array to fill

# Size of the cache of decoded files. No file is evicted, because evicting the oldest ones gives fewer hits if
# clips are read in random order. The cache is small, because every process has its own; for a store with S
# bytes of decoded frames, it avoids 64 MiB / S of the decoding (docs/performance.md).
_CACHE_BYTES = 64 * 2**20


class CodedFrames:
    """Frames in image files, one per frame or one per clip (see `StoredFrames`).

    Thread-safe and fork-safe. There is no lock, because a forked process could inherit it in the locked
    state. The small arrays must have been checked.
    """

    dtype = "uint8"

    def __init__(self, rows: RowSource, header: Header, arrays: dict[str, Array]) -> None:
        assert header.frame_encoding is not None
        self._rows = rows
        self._encoding = header.frame_encoding
        self.shape: tuple[int, ...] = (int(arrays["offsets"][-1]), *header.frame_shape)
        self._begins = arrays["coded_offsets"]  # start of every file in coded_frames
        self._checksums = arrays["checksums"]
        # Number of the first frame in every file.
        per_clip = FRAME_ENCODINGS[self._encoding] == "clip"
        self._firsts = arrays["offsets"] if per_clip else np.arange(self.shape[0] + 1)
        self._cache: dict[int, Array] = {}
        frame_bytes = int(np.prod(header.frame_shape))
        self._cached_frames = _CACHE_BYTES // frame_bytes

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Checks sizes without reading frames, and returns all problems."""
        found = self._rows.problems(thorough=thorough)
        return [Problem(each.message, each.file, frames=self._frames_of(each.frames)) for each in found]

    def read_spans(self, spans: Sequence[Span], threads: int = 1) -> list[Array]:
        """Returns several runs of decoded frames."""
        outs = [np.empty((stop - start, *self.shape[1:]), dtype=np.uint8) for start, stop in spans]
        self._fill(spans, outs, threads, keep=True)
        for out in outs:
            out.setflags(write=False)
        return outs

    def read_into(self, out: Array, spans: Sequence[Span], threads: int = 1, *, keep: bool = True) -> None:
        """Decodes several runs of frames into an array."""
        ends = np.cumsum([stop - start for start, stop in spans])[:-1]
        self._fill(spans, np.split(out, ends), threads, keep=keep)

    def coded(self, clip_start: int, clip_stop: int) -> list[bytes]:
        """Returns the image files of a clip's key frames, after comparing them with their checksums.

        Raises:
            DamagedFrameError: a file does not match its checksum.
            DamagedStoreError: a file cannot be read.
        """
        files = self._files_of(clip_start, clip_stop)
        return [self._checked(file, data) for file, data in zip(files, self._fetch(files), strict=True)]

    def damage(self, start: int, stop: int) -> dict[int, str]:
        """Returns descriptions of the damaged frames in start..stop, by frame number."""
        messages: dict[int, str] = {}
        for file in self._files_of(start, stop):
            try:
                (data,) = self._fetch([file])
                self._decoded(file, data)
            except DamagedFrameError as error:
                what = error.what
            except DamagedStoreError as error:
                what = f"cannot be read: {error}"
            else:
                continue
            first, last = int(self._firsts[file]), int(self._firsts[file + 1])
            messages |= dict.fromkeys(range(max(first, start), min(last, stop)), what)
        return messages

    def file_of(self, frame: int) -> str:
        """Returns the file of the container that contains the start of a frame's image file."""
        return self._rows.file_of(int(self._begins[self._file(frame)]))

    def close(self) -> None:
        """Closes every file, and clears the cache."""
        self._cache.clear()
        self._rows.close()

    def _file(self, frame: int) -> int:
        return int(np.searchsorted(self._firsts, frame, side="right")) - 1

    def _files_of(self, start: int, stop: int) -> range:
        return range(self._file(start), self._file(stop - 1) + 1)

    def _frames_of(self, span: Span | None) -> Span | None:
        """Returns the run of frames whose image files overlap a span of bytes."""
        if span is None:
            return None
        first = int(np.searchsorted(self._begins, span[0], side="right")) - 1
        last = int(np.searchsorted(self._begins, span[1], side="left"))
        return int(self._firsts[first]), int(self._firsts[last])

    def _fetch(self, files: Sequence[int]) -> list[bytes]:
        """Reads image files. Consecutive files are read together."""
        runs: list[list[int]] = []
        for file in files:
            if runs and runs[-1][1] == file:
                runs[-1][1] = file + 1
            else:
                runs.append([file, file + 1])
        begins = self._begins
        spans = [(int(begins[start]), int(begins[stop])) for start, stop in runs]
        found = self._rows.read_spans(spans) if spans else []
        return [
            data[int(begins[file]) - begin : int(begins[file + 1]) - begin].tobytes()
            for (start, stop), (begin, _), data in zip(runs, spans, found, strict=True)
            for file in range(start, stop)
        ]

    def _fill(self, spans: Sequence[Span], outs: Sequence[Array], threads: int, *, keep: bool) -> None:
        wanted: list[Wanted] = []
        for (start, stop), out in zip(spans, outs, strict=True):
            for file in self._files_of(start, stop):
                first, last = int(self._firsts[file]), int(self._firsts[file + 1])
                begin, end = max(first, start), min(last, stop)
                part, target = slice(begin - first, end - first), out[begin - start : end - start]
                cached = self._cache.get(file)
                if cached is None:
                    wanted.append((file, part, target))
                else:
                    target[...] = cached[part]
        fetched = self._fetch([file for file, _, _ in wanted])
        if threads == 1 or len(wanted) < 2:
            self._take(wanted, map(self._decode_into, wanted, fetched), keep=keep)
        else:
            with ThreadPoolExecutor(threads) as pool:
                self._take(wanted, pool.map(self._decode_into, wanted, fetched), keep=keep)

    def _decode_into(self, wanted: Wanted, data: bytes) -> Array:
        """Decodes the wanted frames of an image file into their array, and returns all frames of the file."""
        file, part, target = wanted
        if len(target) == self._firsts[file + 1] - self._firsts[file]:
            return self._decoded(file, data, target)
        frames = self._decoded(file, data)
        target[...] = frames[part]
        return frames

    def _take(self, wanted: Sequence[Wanted], decoded: Iterable[Array], *, keep: bool) -> None:
        for (file, _, _), frames in zip(wanted, decoded, strict=True):
            if keep and len(frames) <= self._cached_frames and file not in self._cache:
                self._cached_frames -= len(frames)
                self._cache[file] = frames.copy()

    def _checked(self, file: int, data: bytes) -> bytes:
        if google_crc32c.value(data) != int(self._checksums[file]):
            raise DamagedFrameError(int(self._firsts[file]), MISMATCH)
        return data

    def _decoded(self, file: int, data: bytes, out: Array | None = None) -> Array:
        first, last = int(self._firsts[file]), int(self._firsts[file + 1])
        self._checked(file, data)  # before try, because its error is also a ValueError
        try:
            return decode_file(data, self._encoding, last - first, self.shape[2:], out)
        except ValueError as error:
            raise DamagedFrameError(first, f"cannot be decoded as {self._encoding}: {error}") from error
