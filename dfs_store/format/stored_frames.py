"""Reads a store's key frames, and compares each with its checksum when it is first read."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.container import RowSource
from dfs_store.format.digest import frame_checksums

__all__ = ["DamagedFrameError", "PlainFrames", "StoredFrames"]

Array = npt.NDArray[Any]
Span = tuple[int, int]

MISMATCH = "does not match its checksum"


class DamagedFrameError(DamagedStoreError):
    """A key frame is damaged. Callers that know its clip raise a more specific error.

    Attributes:
        frame: number of the key frame in the whole store.
        what: description of the damage.
    """

    def __init__(self, frame: int, what: str) -> None:
        super().__init__(f"key frame {frame} {what}")
        self.frame, self.what = frame, what


class StoredFrames(Protocol):
    """The key frames of an open store, as float values or 8-bit levels, regardless of how they are stored.

    Attributes:
        shape: (S, C, H, W).
        dtype: "float32", "float16" or "uint8".
    """

    shape: tuple[int, ...]
    dtype: str

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Checks sizes without reading frames (see `dfs_store.format.container.RowSource.problems`)."""
        ...

    def read_spans(self, spans: Sequence[Span], threads: int = 1) -> list[Array]:
        """Returns several runs of frames, each as a read-only array (K, C, H, W) of `dtype`.

        Args:
            spans: non-empty runs of frames, (start, stop).
            threads: maximum number of decoding threads.

        Raises:
            DamagedFrameError: a frame does not match its checksum, or cannot be decoded.
            DamagedStoreError: a frame cannot be read.
        """
        ...

    def read_into(self, out: Array, spans: Sequence[Span], threads: int = 1, *, keep: bool = True) -> None:
        """Reads several runs of frames into an array, one after the other.

        Args:
            out: array to fill, (K, C, H, W) of `dtype`, where K is the total length of the spans.
            spans: non-empty runs of frames, (start, stop).
            threads: maximum number of decoding threads.
            keep: whether to cache decoded frames for the next read.

        Raises:
            DamagedFrameError, DamagedStoreError: see `read_spans`; `out` may be partly written.
        """
        ...

    def damage(self, start: int, stop: int) -> dict[int, str]:
        """Reads frames start..stop, and returns descriptions of the damaged ones, by frame number."""
        ...

    def file_of(self, frame: int) -> str:
        """Returns the path of the file that contains a frame, relative to the store."""
        ...

    def close(self) -> None:
        """Closes every file."""
        ...


class PlainFrames:
    """Frames stored as numbers (see `StoredFrames`). Thread-safe and fork-safe."""

    def __init__(self, rows: RowSource, checksums: npt.NDArray[np.uint32]) -> None:
        self.shape, self.dtype = rows.shape, rows.dtype
        self._rows = rows
        self._checksums = checksums
        self._seen = np.zeros(self.shape[0], dtype=bool)

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Checks sizes without reading frames, and returns all problems."""
        return self._rows.problems(thorough=thorough)

    def read_spans(self, spans: Sequence[Span], threads: int = 1) -> list[Array]:
        """Returns several runs of frames. Uncompressed local frames are views of the memory-mapped file."""
        found = self._rows.read_spans(spans)
        for (start, stop), frames in zip(spans, found, strict=True):
            if not self._seen[start:stop].all():
                self._check(frames, start, stop)
        return found

    def read_into(self, out: Array, spans: Sequence[Span], threads: int = 1, *, keep: bool = True) -> None:
        """Copies several runs of frames into an array. `threads` and `keep` have no effect."""
        end = 0
        for (start, stop), frames in zip(spans, self.read_spans(spans), strict=True):
            out[end : (end := end + stop - start)] = frames

    def damage(self, start: int, stop: int) -> dict[int, str]:
        """Returns descriptions of the damaged frames in start..stop, by frame number."""
        try:
            (stored,) = self._rows.read_spans([(start, stop)])
        except DamagedStoreError as error:
            if stop - start == 1:
                return {start: f"cannot be read: {error}"}
            # Read one by one, so that a damaged frame does not affect its neighbours.
            each = [self.damage(frame, frame + 1) for frame in range(start, stop)]
            return {frame: what for one in each for frame, what in one.items()}
        wrong = np.flatnonzero(frame_checksums(stored) != self._checksums[start:stop]).tolist()
        messages = {start + number: MISMATCH for number in wrong}
        if stored.dtype.kind == "f":
            for number in np.flatnonzero(~np.isfinite(stored).all(axis=(1, 2, 3))).tolist():
                messages.setdefault(start + number, "contains values that are infinite or not a number")
        return messages

    def file_of(self, frame: int) -> str:
        """Returns the file that contains a frame."""
        return self._rows.file_of(frame)

    def close(self) -> None:
        """Closes every file. Returned arrays stay valid."""
        self._rows.close()

    def _check(self, frames: Array, start: int, stop: int) -> None:
        """Compares frames with their checksums, without a lock: two threads may check the same frames."""
        wrong = np.flatnonzero(frame_checksums(frames) != self._checksums[start:stop])
        if wrong.size:
            raise DamagedFrameError(start + int(wrong[0]), MISMATCH)
        self._seen[start:stop] = True
