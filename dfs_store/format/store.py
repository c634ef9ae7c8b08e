"""Reads stores. Opening a store checks every rule of the format; reading a frame checks its checksum."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dfs_store.display import html_of
from dfs_store.errors import DamagedStoreError, SettingsError
from dfs_store.format.accounting import StorageReport, count_storage
from dfs_store.format.checks.examine import Examination, examine, examine_or_raise
from dfs_store.format.coded.levels import Levels
from dfs_store.format.containers import open_container
from dfs_store.format.digest import compute_content_digest
from dfs_store.format.io.place import Place, StoreURL, absolute_text, locate
from dfs_store.format.native import native_bytes, read_native
from dfs_store.format.rebuilding import check_clip_bytes, decoded_rows, rebuilt_blocks
from dfs_store.format.spec import Header
from dfs_store.format.stored_frames import DamagedFrameError
from dfs_store.interpolation import neighbours

__all__ = ["KeyFrameStore", "open_store"]

Array = npt.NDArray[Any]


class KeyFrameStore:
    """A store opened for reading: N clips of T frames, with S key frames of shape (C, H, W) in total.

    Opening reads the attributes and small arrays and checks every rule of the format. Key frames are read
    on demand, and compared with their checksums when first read. A store can be shared between threads and
    used after a fork. It is pickled as its path and digest, and is reopened when unpickled. Returned arrays
    that cover the whole store are read-only.

    Args:
        path: a `.zarr` folder, or a `.zarr.zip`, `.h5` or `.hdf5` file; or its URL (s3://, https:// or any
            other protocol that fsspec supports), see docs/remote.md.
        max_clip_bytes: size limit of a rebuilt clip in bytes. Defaults to the environment variable
            DFS_MAX_CLIP_BYTES, or to 2 GiB if it is not set.

    Attributes:
        path: the given path, as a `pathlib.Path` or a `dfs_store.format.io.place.StoreURL`.

    Raises:
        StoreNotFoundError: the path does not exist.
        NotAStoreError: the path exists, but is not a store.
        NewerFormatError: the store was written by a newer major version of the format.
        DamagedStoreError: the store breaks a rule of the format.
        StoreUnreachableError: the server of a URL does not respond or refuses the request.
        MissingDependencyError: a library for a URL's protocol is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_clip_bytes: int | None = None) -> None:
        place = locate(path)
        self._set_up(place, examine_or_raise(place), max_clip_bytes)

    @classmethod
    def of_examination(cls, place: Place, found: Examination) -> Self:
        """Creates a store from an examination that may have found damaged frames."""
        store = cls.__new__(cls)
        store._set_up(place, found)
        return store

    def _set_up(self, place: Place, found: Examination, max_clip_bytes: int | None = None) -> None:
        self._max_clip_bytes = max_clip_bytes
        self.path: Place = place
        self._absolute = absolute_text(place)  # the store may be unpickled in another working directory
        assert found.frames is not None
        self._reader, self._frames = found.reader, found.frames
        self._header: Header = found.header
        self._arrays = found.arrays
        self._closed = False

    def __len__(self) -> int:
        return int(self.labels.size)

    def __repr__(self) -> str:
        return (
            f"KeyFrameStore({str(self.path)!r}: {len(self)} clips of {self.num_frames} frames, "
            f"{self._frames.shape[0]} key frames of {self.frame_shape} in {self.dtype})"
        )

    def _repr_html_(self) -> str | None:
        """Returns HTML that shows the store's properties and a small contact sheet in a notebook."""
        return html_of["store"](self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._absolute, self._header.digest, self._max_clip_bytes)

    @property
    def num_frames(self) -> int:
        """T, the number of frames in every rebuilt clip."""
        return self._header.num_frames

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of every frame, (C, H, W)."""
        return self._header.frame_shape

    @property
    def class_names(self) -> list[str]:
        """Class names in the order of their labels."""
        return list(self._header.class_names)

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Label of each clip, (N,) int32: the index of its class in `class_names`."""
        return self._arrays["labels"]

    @property
    def soft_labels(self) -> npt.NDArray[np.float16] | None:
        """A teacher's logits for each clip, (N, classes) float16; None if there are no soft labels."""
        return self._arrays.get("soft_labels")

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Ranges of key frames, (N+1,) int64: clip i has the key frames offsets[i] to offsets[i+1] - 1."""
        return self._arrays["offsets"]

    @property
    def all_positions(self) -> npt.NDArray[np.uint16]:
        """0-based positions of all key frames in their clips, (S,) uint16."""
        return self._arrays["positions"]

    @property
    def scale(self) -> npt.NDArray[np.float32] | None:
        """Scale of uint8 key frames, (S, C) float32: value = zero + scale * stored; None for other dtypes."""
        return self._per_frame("scale")

    @property
    def zero(self) -> npt.NDArray[np.float32] | None:
        """Zero point of uint8 key frames, (S, C) float32; None for other dtypes."""
        return self._per_frame("zero")

    @property
    def dtype(self) -> str:
        """Stored dtype of key frames: "float32", "float16" or "uint8"; always "uint8" if encoded."""
        return self._frames.dtype

    @property
    def frame_encoding(self) -> str | None:
        """Encoding of key frames, "webp" or "avif"; None if they are not stored as image files."""
        return self._header.frame_encoding

    @property
    def stored_as(self) -> str:
        """How key frames are stored: `frame_encoding` if they are encoded, otherwise `dtype`."""
        return self.frame_encoding or self.dtype

    @property
    def levels(self) -> Levels | None:
        """Map from the 8-bit levels of encoded key frames to values; None if they are not encoded."""
        if self.frame_encoding is None:
            return None
        return Levels(self._arrays["scale"][0], self._arrays["zero"][0])

    @property
    def container(self) -> str:
        """Container of the store: "zarr", "zarr.zip" or "hdf5"."""
        return self._reader.container

    @property
    def read_path(self) -> str:
        """How arrays are read: "fast" for the layout that dfs-store writes, "general" for any other."""
        return self._reader.read_path

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes in the header `dfs_store`, including keys that this version does not know."""
        return self._header.attributes

    @property
    def provenance(self) -> dict[str, Any]:
        """How the store was made, as its writer recorded it; {} if unknown."""
        found: dict[str, Any] = self.attributes.get("provenance") or {}
        return found

    def provenance_object(self, key: str) -> dict[str, Any]:
        """Returns the JSON object at a key of the provenance; {} if there is no object at the key."""
        found = self.provenance.get(key)
        return found if isinstance(found, dict) else {}

    @property
    def normalization(self) -> dict[str, list[float]] | None:
        """Normalization of the values, {"mean": [...], "std": [...]} with C numbers each, or None."""
        return self._header.normalization

    @property
    def fps(self) -> float | None:
        """Frames per second for playback, or None."""
        return self._header.fps

    @property
    def content_digest(self) -> str:
        """SHA-256 of the clips in hex, equal for equal clips regardless of their provenance.

        It covers the small arrays (including the frames' checksums), shapes, class names, normalization and
        native arrays, but neither the container nor the provenance.
        """
        encoded = self.frame_encoding is not None
        shape = (self._coded_bytes,) if encoded else self._frames.shape
        return compute_content_digest(self.attributes, self._arrays, shape, self.dtype)

    @property
    def storage(self) -> StorageReport:
        """Storage cost of the store."""
        source_bytes = self.provenance.get("source_bytes")
        soft = self.soft_labels
        return count_storage(
            num_key_frames=self._frames.shape[0],
            num_clips=len(self),
            num_frames=self.num_frames,
            frame_shape=self.frame_shape,
            dtype=self.dtype,
            index_bytes=sum(a.nbytes for name, a in self._arrays.items() if name != "soft_labels"),
            soft_label_bytes=None if soft is None else soft.nbytes,
            on_disk_bytes=self._reader.on_disk_bytes(),
            native_bytes=native_bytes(self._header),
            coded_bytes=None if self.frame_encoding is None else self._coded_bytes,
            source_bytes=source_bytes if type(source_bytes) is int and source_bytes >= 0 else None,
        )

    def positions(self, clip: int) -> npt.NDArray[np.int64]:
        """Returns the 0-based positions of a clip's key frames, (K,) int64."""
        start, stop = self._bounds(clip)
        return self.all_positions[start:stop].astype(np.int64)

    def inserted_at(self, clip: int) -> npt.NDArray[np.int32] | None:
        """Returns the insertion steps of a clip's key frames, (K,) int32, -1 if initial; None if unknown."""
        start, stop = self._bounds(clip)
        steps = self._arrays.get("inserted_at")
        return None if steps is None else steps[start:stop].copy()

    def key_frames(self, clip: int) -> npt.NDArray[np.float32]:
        """Returns a clip's key frames as a new array, (K, C, H, W) float32.

        Raises:
            DamagedStoreError: a frame does not match its checksum.
        """
        start, stop = self._bounds(clip)
        stored = self.stored_frames(start, stop)
        return decoded_rows(self, stored, slice(start, stop))

    def clip(self, clip: int, times: npt.ArrayLike | None = None) -> npt.NDArray[np.float32]:
        """Rebuilds a clip from its key frames (Eq. 3).

        Args:
            clip: number of the clip; negative numbers count from the end.
            times: output times in frames, (M,) floats in [0, T-1]. Defaults to all T frames.

        Returns:
            (T, C, H, W) float32, or (M, C, H, W) if `times` is given.

        Raises:
            ClipTooLargeError: the clip would take more than `max_clip_bytes`.
            DamagedStoreError: a frame does not match its checksum.
            SettingsError: a time is outside the clip.
        """
        clip = self._number(clip)
        near = neighbours(self.positions(clip), self.num_frames, times=times)
        self.check_clip_bytes(near.left.size)
        rebuilt = np.empty((near.left.size, *self.frame_shape), np.float32)
        end = 0
        for block in rebuilt_blocks(self, clip, near):
            rebuilt[end : end + len(block)] = block
            end += len(block)
        return rebuilt

    def clip_blocks(self, clip: int, times: npt.ArrayLike | None = None) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the result of `clip` in blocks (m, C, H, W) of at most 16 MiB, or of one larger frame.

        The arguments and errors are those of `clip`, but all T frames must fit into `max_clip_bytes`, even if
        `times` contains only a few.
        """
        clip = self._number(clip)
        self.check_clip_bytes(self.num_frames)
        yield from rebuilt_blocks(self, clip, neighbours(self.positions(clip), self.num_frames, times=times))

    def check_clip_bytes(self, num_frames: int) -> None:
        """Raises ClipTooLargeError if clips of `num_frames` frames take more than `max_clip_bytes`."""
        check_clip_bytes(self.path, num_frames, self.frame_shape, self._max_clip_bytes)

    def stored_frames(self, start: int, stop: int) -> Array:
        """Returns key frames start..stop of the whole store as stored: (stop - start, C, H, W), read-only.

        Frames are compared with their checksums when first read. Uncompressed frames of a local store are
        views of the memory-mapped file. Image files are decoded to levels, to which `scale` and `zero` apply.

        Raises:
            SettingsError: the range is outside 0..S, or the store is closed.
            DamagedStoreError: a frame does not match its checksum.
        """
        self._check_span(start, stop)
        if start == stop:
            return np.empty((0, *self.frame_shape), dtype=self.dtype)
        return self.stored_spans([(start, stop)])[0]

    def stored_spans(self, spans: Sequence[tuple[int, int]], *, threads: int = 1) -> list[Array]:
        """Returns several runs of key frames, each as `stored_frames` would return it.

        For a remote store, sends one batch of requests, in which adjacent runs are merged.

        Args:
            spans: non-empty runs of key frames, (start, stop).
            threads: maximum number of threads that decode image files.

        Raises:
            SettingsError, DamagedStoreError: see `stored_frames`.
            StoreUnreachableError: the server of a remote store does not respond.
        """
        for span in spans:
            self._check_span(*span)
        with self._damage_described():
            return self._frames.read_spans(spans, threads)

    def read_into(
        self, out: Array, spans: Sequence[tuple[int, int]], *, threads: int = 1, keep: bool = True
    ) -> None:
        """Reads several runs of key frames, as stored, into the caller's array, one after the other.

        Image files are decoded directly into the array.

        Args:
            out: array to fill, (K, C, H, W) of the stored dtype, where K is the total length of the spans.
            spans: non-empty runs of key frames, (start, stop).
            threads: maximum number of threads that decode image files.
            keep: whether to cache decoded image files, up to 64 MiB in total, for later reads. Pass False if
                each file is read only once.

        Raises:
            SettingsError: `out` has the wrong shape or dtype; see also `stored_frames`.
            DamagedStoreError, StoreUnreachableError: see `stored_spans`; `out` is then partly written.
        """
        for span in spans:
            self._check_span(*span)
        shape = (sum(stop - start for start, stop in spans), *self.frame_shape)
        if (out.shape, out.dtype) != (shape, np.dtype(self.dtype)):
            raise SettingsError(
                f"out must have shape {shape} and dtype {self.dtype}, got {out.shape} and {out.dtype}"
            )
        with self._damage_described():
            self._frames.read_into(out, spans, threads, keep=keep)

    def coded_clip(self, clip: int) -> list[bytes]:
        """Returns the image files of a clip's key frames: one per key frame, or one sequence for the clip.

        Raises:
            SettingsError: key frames are not encoded, or the store is closed.
            DamagedStoreError: a file does not match its checksum.
        """
        start, stop = self._bounds(clip)
        self._check_span(start, stop)
        if self.frame_encoding is None:
            raise SettingsError(f"{self.path}: key frames are not stored as image files; use key_frames")
        from dfs_store.format.coded.frames import CodedFrames

        assert isinstance(self._frames, CodedFrames)
        with self._damage_described():
            return self._frames.coded(start, stop)

    @contextmanager
    def _damage_described(self) -> Iterator[None]:
        """Adds the clip to the error for a damaged frame; reports a replaced store instead of the damage."""
        try:
            yield
        except DamagedStoreError as error:
            if isinstance(self.path, StoreURL) or self._reader.was_replaced(suspected=True):
                self._check_not_replaced()
            if isinstance(error, DamagedFrameError):
                raise DamagedStoreError(
                    f"{self.path}: {self.describe_frame(error.frame)} {error.what}"
                ) from error
            raise

    def _check_span(self, start: int, stop: int) -> None:
        if self._closed:
            raise SettingsError(f"{self.path}: the store is closed; open it again with open_store")
        if not 0 <= start <= stop <= self._frames.shape[0]:
            raise SettingsError(
                f"{self.path}: key frames must be in 0..{self._frames.shape[0]}, got {start}..{stop}"
            )

    @property
    def native_method(self) -> str | None:
        """Name of the method that needs the native arrays; None if there are none."""
        return None if self._header.native is None else str(self._header.native["method"])

    def native_arrays(self) -> dict[str, Array]:
        """Returns the native arrays, which a method needs in addition to key frames, by name. May be empty.

        Raises:
            DamagedStoreError: an array is missing, has the wrong shape, or does not match its checksum.
        """
        arrays = {}
        reader = open_container(locate(self._absolute))  # a reader must not be shared between threads
        try:
            reader.attributes()  # reads the consolidated metadata, which `array` compares
            for name, values in read_native(reader, self._header):
                if isinstance(values, DamagedStoreError):
                    self._check_not_replaced()
                    raise values
                arrays[name] = values
        finally:
            reader.close()
        return arrays

    def _check_not_replaced(self) -> None:
        if examine(locate(self._absolute)).header.digest != self._header.digest:
            raise _replaced(self._absolute)

    def close(self) -> None:
        """Closes all files (a zip archive only when this object is deleted). Returned arrays stay valid."""
        self._closed = True
        self._frames.close()

    @property
    def _coded_bytes(self) -> int:
        return int(self._arrays["coded_offsets"][-1])

    def _per_frame(self, name: str) -> npt.NDArray[np.float32] | None:
        """Returns `scale` or `zero` with one row per key frame; encoded frames share one row."""
        array = self._arrays.get(name)
        if array is None or self.frame_encoding is None:
            return array
        return np.broadcast_to(array, (self._frames.shape[0], array.shape[1]))

    def describe_frame(self, frame: int) -> str:
        """Returns a text with the number, clip, class, position and file of a key frame."""
        clip = int(np.searchsorted(self.offsets, frame, side="right")) - 1
        name = self._header.class_names[self.labels[clip]]
        return (
            f"key frame {frame} (clip {clip}, class {name!r}, position {self.all_positions[frame]}, "
            f"file {self._frames.file_of(frame)})"
        )

    def _number(self, clip: int) -> int:
        if not -len(self) <= clip < len(self):
            raise IndexError(f"{self.path}: clip must be in 0..{len(self) - 1}, got {clip}")
        return clip % len(self)

    def _bounds(self, clip: int) -> tuple[int, int]:
        clip = self._number(clip)
        return int(self.offsets[clip]), int(self.offsets[clip + 1])


def open_store(path: str | os.PathLike[str], *, max_clip_bytes: int | None = None) -> KeyFrameStore:
    """Opens a store for reading and checks every rule of the format. Key frames are read on demand.

    Args:
        path: a `.zarr` folder, or a `.zarr.zip`, `.h5` or `.hdf5` file; or its URL.
        max_clip_bytes: see `KeyFrameStore`.

    Raises:
        StoreNotFoundError, NotAStoreError, NewerFormatError, DamagedStoreError, StoreUnreachableError: see
            `KeyFrameStore`.
    """
    return KeyFrameStore(path, max_clip_bytes=max_clip_bytes)


def _reopen(path: str, digest: str, max_clip_bytes: int | None) -> KeyFrameStore:
    store = KeyFrameStore(path, max_clip_bytes=max_clip_bytes)
    if store.attributes["digest"] != digest:
        raise _replaced(path)
    return store


def _replaced(path: str) -> DamagedStoreError:
    return DamagedStoreError(f"{path} was replaced by a different store after it was opened; open it again")
