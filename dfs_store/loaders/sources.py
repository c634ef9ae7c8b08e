"""The clips of one store, or of several joined ones, as one numbered list whose key frames can be read."""

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

_MAX_SHOWN = 10  # items of a list in a message
_CHUNK_BYTES = 64 * 2**20  # read at a time when a whole store is loaded


class Span(NamedTuple):
    """Key frames start..stop of a store, in that store's numbering."""

    store: int
    start: int
    stop: int


class OpenStores:
    """Clips of stores with equal classes and frame shapes.

    Args:
        stores: at least one store, in the order of their clips.

    Attributes:
        stores: the argument.
        class_names: names in the order of their labels.
        frame_shape: (C, H, W).
        dtype: stored dtype of all key frames; "float32" if the stores differ.
        labels: label of each clip, (N,) int64.
        offsets: first key frame of each clip, (N+1,) int64.
        positions: positions of all key frames, (S,) int64.
        num_frames: T of each clip, (N,) int64.
        spaces: value space of each store.

    Raises:
        SettingsError: the stores differ in a property that must be equal; the message names both values.
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
        """S, the number of key frames of all stores."""
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
        """Size of all key frames in memory in bytes, in `dtype`, with image files decoded."""
        frame_values = int(np.prod(self.frame_shape))
        return self.num_key_frames * frame_values * np.dtype(self.dtype).itemsize

    def check_agreement(self, name: str, read: Callable[[KeyFrameStore], Any], remedy: str = "") -> None:
        """Checks that all stores agree in a property.

        Raises:
            SettingsError: two stores differ; the message names both and their values.
        """
        first = read(self.stores[0])
        for store in self.stores[1:]:
            if (value := read(store)) != first:
                shown = _shown_difference(first, value)
                raise SettingsError(
                    f"joined stores must have the same {name}: {self.stores[0].path} has "
                    f"{shown[0]}, {store.path} has {shown[1]}{remedy}"
                )

    def check_clip_bytes(self, num_outputs: int) -> None:
        """Raises ClipTooLargeError if a clip of `num_outputs` frames is larger than allowed."""
        self.stores[0].check_clip_bytes(num_outputs)

    def soft_labels(self) -> npt.NDArray[np.float32]:
        """Returns all clips' soft labels, (N, classes) float32. Raises SettingsError if a store has none."""
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
        """Yields all key frames in spans that are small enough to exist twice in memory."""
        step = max(1, _CHUNK_BYTES // self._frame_bytes)
        for number, size in enumerate(np.diff(self._first_key_frame).tolist()):
            for start in range(0, size, step):
                yield Span(number, start, min(start + step, size))

    def load(
        self,
        spans: Iterable[Span],
        wanted: list[Space | None] | None,
        memory: Memory = cpu_memory,
        *,
        keep: bool = True,
        on_progress: OnProgress | None = None,
    ) -> KeyFrameTable:
        """Reads key frames into a table. Image files are decoded in torch's number of threads.

        Args:
            spans: the key frames, in order.
            wanted: value space for each store, or None for the stored values.
            memory: allocates memory for the key frames.
            keep: whether the stores may cache decoded image files for the next read.
            on_progress: called with the number of key frames read so far and the total.

        Raises:
            DamagedStoreError: a key frame cannot be read, or does not match its checksum.
            StoreUnreachableError: the server of a remote store does not answer.
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
        return KeyFrameTable(table, *self._scales_of(spans, total, wanted))

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
        """Reads spans of one store in the common dtype, as values if the store has another."""
        store = self.stores[spans[0].store]
        scale, zero = self._scales[spans[0].store]
        bounds, threads = [(start, stop) for _, start, stop in spans], torch.get_num_threads()
        if store.dtype == self.dtype:
            store.read_into(out, bounds, threads=threads, keep=keep)
            return
        stored = np.empty(out.shape, dtype=store.dtype)
        store.read_into(stored, bounds, threads=threads, keep=keep)
        end = 0
        for start, stop in bounds:
            rows = slice(end, end := end + stop - start)
            if scale is None or zero is None:
                out[rows] = decode(stored[rows])
            else:
                out[rows] = decode(stored[rows], scale[start:stop], zero[start:stop])

    def _scales_of(
        self, spans: Sequence[Span], total: int, wanted: list[Space | None] | None
    ) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Returns scale and zero of key frames from `_read_into`; None if these are the values."""
        spaces = self.spaces if wanted is None else wanted
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
        """Closes the stores. Nothing can be read afterwards."""
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
