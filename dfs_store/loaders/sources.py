"""Numbers the clips of one or several joined stores, and reads their key frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.errors import SettingsError
from dfs_store.format import KeyFrameStore
from dfs_store.format.quantization import decode
from dfs_store.loaders.batching.buffers import Memory, cpu_memory
from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.normalization import Space, affine_between, stored_space

__all__ = ["OnProgress", "OpenStores", "Span"]

OnProgress = Callable[[int, int], None]
"""Called with the number of key frames read so far and the total."""

_MAX_SHOWN = 10  # items of a list to show in a message
_CHUNK_BYTES = 64 * 2**20  # to read at a time when a whole store is loaded


class Span(NamedTuple):
    """Key frames `start` to `stop` - 1 of a store, as numbered in that store."""

    store: int
    start: int
    stop: int


class OpenStores:
    """The clips of one or several stores that have the same classes and frame shape.

    Args:
        stores: at least one store, in the order of their clips.

    Attributes:
        stores: the argument.
        class_names: class names in the order of their labels.
        frame_shape: (C, H, W).
        dtype: stored dtype of all key frames; "float32" if the stores differ.
        labels: label of each clip, (N,) int64.
        offsets: number of each clip's first key frame, and the total, (N+1,) int64.
        positions: position of each key frame, (S,) int64.
        num_frames: T, the number of frames of each clip, (N,) int64.
        spaces: value space of each store.

    Raises:
        SettingsError: the stores differ in a property that must be equal. The message names both values.
    """

    def __init__(self, stores: Sequence[KeyFrameStore]) -> None:
        self.stores = list(stores)
        for name, read in _MUST_AGREE.items():
            self.check_agreement(name, read)
        self.class_names = list(stores[0].class_names)
        self.frame_shape: tuple[int, int, int] = stores[0].frame_shape
        dtypes = {store.dtype for store in stores}
        self.dtype = dtypes.pop() if len(dtypes) == 1 else "float32"
        self.labels = np.concatenate([store.labels for store in stores]).astype(np.int64)
        self.positions = np.concatenate([store.all_positions for store in stores]).astype(np.int64)
        self.num_frames = np.repeat([store.num_frames for store in stores], [len(s) for s in stores])
        self.spaces = [stored_space(store.normalization) for store in stores]
        counts = [np.diff(store.offsets) for store in stores]
        self.offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        self._frame_bytes = int(np.prod(self.frame_shape)) * 4  # upper bound: float32
        self._scales = [(store.scale, store.zero) for store in stores]
        self._first_clip = np.concatenate([[0], np.cumsum([len(store) for store in stores])])
        self._first_key_frame = self.offsets[self._first_clip]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_key_frames(self) -> int:
        """S, the number of key frames in all stores."""
        return len(self.positions)

    @property
    def stored_as(self) -> str:
        """The dtypes or encodings of the key frames, as text."""
        return ", ".join(sorted({store.stored_as for store in self.stores}))

    @property
    def is_coded(self) -> bool:
        """Whether any store contains image files."""
        return any(store.frame_encoding is not None for store in self.stores)

    @property
    def key_frame_bytes(self) -> int:
        """The size in bytes of all key frames in memory, in the dtype `dtype`, with image files decoded."""
        frame_values = int(np.prod(self.frame_shape))
        return self.num_key_frames * frame_values * np.dtype(self.dtype).itemsize

    def check_agreement(self, name: str, read: Callable[[KeyFrameStore], Any], remedy: str = "") -> None:
        """Checks that a property is the same in all stores.

        Raises:
            SettingsError: two stores differ. The message names both stores and their values.
        """
        first = read(self.stores[0])
        for store in self.stores[1:]:
            if (value := read(store)) != first:
                shown = _shown_difference(first, value)
                raise SettingsError(
                    f"joined stores must have the same {name}: {self.stores[0].path} has "
                    f"{shown[0]}, {store.path} has {shown[1]}{remedy}"
                )

    def soft_labels(self) -> npt.NDArray[np.float32]:
        """Returns all clips' soft labels, (N, classes) float32.

        Raises:
            SettingsError: a store has no soft labels.
        """
        found = []
        for store in self.stores:
            if store.soft_labels is None:
                raise SettingsError(
                    f'{store.path} has no soft labels; use target="hard", or condense with --soft-labels'
                )
            found.append(store.soft_labels.astype(np.float32))
        return np.concatenate(found)

    def spans_of(self, clips: npt.NDArray[np.int64]) -> list[Span]:
        """Returns the spans of the clips' key frames, in order."""
        stores = np.searchsorted(self._first_clip, clips, side="right") - 1
        first = self._first_key_frame[stores]
        starts, stops = self.offsets[clips] - first, self.offsets[clips + 1] - first
        return [Span(*span) for span in zip(stores.tolist(), starts.tolist(), stops.tolist(), strict=True)]

    def all_spans(self) -> Iterable[Span]:
        """Yields spans that cover all key frames, each small enough to fit in memory twice."""
        step = max(1, _CHUNK_BYTES // self._frame_bytes)
        for number, size in enumerate(np.diff(self._first_key_frame).tolist()):
            for start in range(0, size, step):
                yield Span(number, start, min(start + step, size))

    def load(
        self,
        spans: Iterable[Span],
        spaces: Sequence[Space | None],
        memory: Memory = cpu_memory,
        *,
        keep: bool = True,
        on_progress: OnProgress | None = None,
    ) -> KeyFrameTable:
        """Reads key frames into a table. Image files are decoded in `torch.get_num_threads()` threads.

        Args:
            spans: the key frames, in order.
            spaces: value space in which to return the key frames of each store; None for pixels.
            memory: allocates memory for the key frames.
            keep: whether the stores may cache decoded image files for the next read.
            on_progress: called with the number of key frames read so far and the total.

        Raises:
            DamagedStoreError: a key frame cannot be read, or does not match its checksum.
            StoreUnreachableError: the server of a remote store does not respond.
            SettingsError: the stores were closed.
        """
        spans = [span for span in spans if span.start < span.stop]
        total = sum(span.stop - span.start for span in spans)
        table = memory((total, *self.frame_shape), getattr(torch, self.dtype))
        frames, end = table.numpy(), 0
        for together in self._together(spans):
            begin, end = end, end + sum(span.stop - span.start for span in together)
            self._read_into(frames[begin:end], together, keep=keep)
            if on_progress is not None:
                on_progress(end, total)
        return KeyFrameTable(table, *self._scales_of(spans, total, spaces))

    def _together(self, spans: Sequence[Span]) -> Iterator[list[Span]]:
        together: list[Span] = []
        held = 0
        for span in spans:
            size = (span.stop - span.start) * self._frame_bytes
            if together and (together[0].store != span.store or held + size > _CHUNK_BYTES):
                yield together
                together, held = [], 0
            together.append(span)
            held += size
        if together:
            yield together

    def _read_into(self, out: npt.NDArray[Any], spans: Sequence[Span], *, keep: bool) -> None:
        """Reads spans of one store in the common dtype, decoding them if the store's dtype differs."""
        store = self.stores[spans[0].store]
        bounds, threads = [(start, stop) for _, start, stop in spans], torch.get_num_threads()
        if store.dtype == self.dtype:
            store.read_into(out, bounds, threads=threads, keep=keep)
            return
        stored = np.empty(out.shape, dtype=store.dtype)
        store.read_into(stored, bounds, threads=threads, keep=keep)
        rows = np.concatenate([np.arange(*each) for each in bounds])
        scale, zero = (None if part is None else part[rows] for part in self._scales[spans[0].store])
        out[:] = decode(stored, scale, zero)

    def _scales_of(
        self, spans: Sequence[Span], total: int, spaces: Sequence[Space | None]
    ) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Returns the scales and zeros of key frames from `_read_into`; both None if they are not needed."""
        affines = [affine_between(*pair) for pair in zip(self.spaces, spaces, strict=True)]
        if self.dtype != "uint8" and all(affine is None for affine in affines):
            return None, None
        scales, zeros = np.ones((total, self.frame_shape[0])), np.zeros((total, self.frame_shape[0]))
        end = 0
        for number, start, stop in spans:
            rows = slice(end, end := end + stop - start)
            scale, zero = self._scales[number]
            if self.dtype == "uint8" and scale is not None and zero is not None:
                scales[rows], zeros[rows] = scale[start:stop], zero[start:stop]
            if (affine := affines[number]) is not None:
                scales[rows] *= affine.scale
                zeros[rows] = zeros[rows] * affine.scale + affine.zero
        return torch.from_numpy(scales.astype(np.float32)), torch.from_numpy(zeros.astype(np.float32))

    def close(self) -> None:
        """Closes the stores. Key frames can no longer be read."""
        for store in self.stores:
            store.close()


def _shown_difference(first: object, second: object) -> tuple[str, str]:
    if (
        not isinstance(first, list)
        or not isinstance(second, list)
        or max(len(first), len(second)) <= _MAX_SHOWN
    ):
        return repr(first), repr(second)
    pairs = zip_longest(first, second)
    start = next((number for number, (one, other) in enumerate(pairs) if one != other), 0)
    first_shown, second_shown = (
        f"{len(part)}, from number {start} {part[start : start + _MAX_SHOWN]}" for part in (first, second)
    )
    return first_shown, second_shown


_MUST_AGREE: dict[str, Callable[[KeyFrameStore], Any]] = {
    "classes": lambda store: list(store.class_names),
    "frame shape (C, H, W)": lambda store: tuple(store.frame_shape),
}
