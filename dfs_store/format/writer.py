"""Writes stores. Each clip is validated when it is appended, and the store is published once complete."""

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.errors import ClipError, DFSError, SettingsError
from dfs_store.format.checks.rules import coded_file_problem
from dfs_store.format.coded.encoding import parse_encoding, stored_dtype
from dfs_store.format.coded.levels import Levels, pixel_levels
from dfs_store.format.container import ContainerWriter, RowLayout
from dfs_store.format.containers import check_compression, container_of, new_container
from dfs_store.format.digest import compute_digest, frame_checksums
from dfs_store.format.given import build_attributes, check_frames, check_label, check_soft_label, check_steps
from dfs_store.format.io.durable import output_error
from dfs_store.format.io.transaction import open_transaction
from dfs_store.format.native import describe_native, stored_natively
from dfs_store.format.quantization import Encoded, encode
from dfs_store.format.spec import CODED, FRAME_DTYPES, FRAMES, NATIVE, SMALL_ARRAYS, header_problems
from dfs_store.interpolation import check_positions
from dfs_store.names import counted

if TYPE_CHECKING:
    from dfs_store.format.coded.encoder import FrameEncoder

__all__ = ["StoreWriter"]


class StoreWriter:
    """A context manager that writes a store clip by clip.

    The store appears at `path` only when the writer exits without an exception; an exception leaves nothing
    behind. Memory use does not grow with the number of clips. With `overwrite`, the existing store is kept
    until the new one is complete.

    Args:
        path: path or URL of the store; the suffix selects the container: `.zarr`, `.zarr.zip`, `.h5` or
            `.hdf5`. For a URL, the store is written to a local folder and uploaded when it is complete.
        num_frames: T, the number of frames in every clip, at least 2.
        frame_shape: (C, H, W) of every key frame.
        class_names: class names in the order of their labels, all different.
        dtype: stored dtype, "float32", "float16" or "uint8"; see `dfs_store.format.quantization` for error
            bounds. Defaults to float32, or to uint8 if `encoding` is given (encodings require uint8).
        encoding: encoding of key frames as image files: "webp[:QUALITY]", one still per key frame, or
            "avif[:QUALITY]", one sequence per clip. Both are lossy and require three channels (RGB).
        levels: values that the 8-bit levels of encoded frames represent, see `pixel_levels`. If None, levels
            represent pixels from 0 to 1, normalised by `normalization`, and other values are clipped.
        attributes: attributes to store as JSON: normalization, fps, provenance, and any other keys.
        overwrite: whether to replace an existing store.
        compression: compression of key frames: None, "zstd" (Zarr only) or "gzip". Meant for archiving,
            because compressed frames cannot be memory-mapped.

    Raises:
        SettingsError: an argument is invalid.
        OutputExistsError: the path already exists and `overwrite` is False.
        OutputNotWritableError: the path cannot be written.
        StoreUnreachableError: the server of a URL does not respond.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        num_frames: int,
        frame_shape: Sequence[int],
        class_names: Sequence[str],
        dtype: str | None = None,
        encoding: str | None = None,
        levels: Levels | None = None,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        compression: str | None = None,
    ) -> None:
        self.encoding = parse_encoding(encoding)
        self.dtype = stored_dtype(dtype, self.encoding)
        if self.encoding is not None and compression is not None:
            raise SettingsError(
                f"encoding {self.encoding} already compresses key frames; remove compression {compression!r}"
            )
        self._transaction = open_transaction(path, overwrite=overwrite)
        self._shown = str(self._transaction.shown)
        self._container = container_of(self._transaction.shown)
        check_compression(compression, self._container)
        self._attributes = build_attributes(num_frames, frame_shape, class_names, attributes, self.encoding)
        self._num_frames: int = self._attributes["num_frames"]
        self._frame_shape: tuple[int, int, int] = tuple(self._attributes["frame_shape"])
        self._levels = levels
        if self.encoding is not None and levels is None:
            self._levels = pixel_levels(self._attributes["normalization"], self._frame_shape[0])
        self._encoder: FrameEncoder | None = None
        self._compression = compression
        self._files: ContainerWriter | None = None
        self._parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in SMALL_ARRAYS}
        self._counts: list[int] = []
        self._file_sizes: list[int] = []
        self._optional: frozenset[str] | None = None  # optional arrays of the clips appended so far
        self._failure: DFSError | None = None
        self._native: dict[str, npt.NDArray[Any]] = {}

    def __enter__(self) -> Self:
        path = self._transaction.begin()
        layout = RowLayout(FRAMES, self._frame_shape, self.dtype, self._compression)
        if self.encoding is not None:
            layout = RowLayout(CODED, (), "uint8")
        try:
            self._files = new_container(self._container, path, layout)
        except OSError as error:
            self._transaction.abort()
            raise output_error(error, self._transaction.written_to) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._files is None:  # a failed append has already cleaned up
            if kind is None and self._failure is not None:
                raise self._failure  # the caller caught the error, but there is no store
            return
        if kind is not None:
            self._abort()
            return
        try:
            self._finish()
        except BaseException as failure:
            self._abort()
            if isinstance(failure, OSError | RuntimeError) and not isinstance(failure, DFSError):
                raise output_error(failure, self._transaction.written_to) from failure
            raise

    def __len__(self) -> int:
        """Returns the number of clips appended so far."""
        return len(self._counts)

    def append(
        self,
        key_frames: npt.ArrayLike,
        positions: npt.ArrayLike,
        label: int,
        inserted_at: npt.ArrayLike | None = None,
        soft_label: npt.ArrayLike | None = None,
    ) -> None:
        """Appends one clip.

        Args:
            key_frames: key frames, (K, C, H, W) finite numbers.
            positions: 0-based positions of the key frames, (K,) whole numbers that strictly increase from 0
                to T-1, or [0] for a single key frame.
            label: number of the clip's class, 0-based.
            inserted_at: 0-based step at which each key frame was inserted, -1 if initial, (K,) whole numbers.
                Pass it for all clips of a store or for none.
            soft_label: a teacher's logits for the clip, (classes,) finite numbers, stored as float16. Pass it
                for all clips of a store or for none.

        Raises:
            ClipError: an argument is invalid; the writer can still be used.
            PositionsError: the positions are invalid; the writer can still be used.
            DiskFullError, OutputNotWritableError: writing failed; the writer is closed, and its files are
                removed.
        """
        frames = check_frames(key_frames, self._frame_shape)
        if self.encoding is None:
            stored = encode(frames, self.dtype)
            self._note(len(frames), positions, label, inserted_at, soft_label, stored)
            self._write(stored.frames)
            return
        self._check_files(len(frames))
        self._note(len(frames), positions, label, inserted_at, soft_label)
        if self._encoder is None:
            from dfs_store.format.coded.encoder import FrameEncoder  # lazily, because it imports Pillow

            assert self._levels is not None
            self._encoder = FrameEncoder(self.encoding, self._levels)
        for done in self._encoder.submit(frames):
            self._write_coded(done.files)

    def append_stored(
        self,
        stored: Encoded,
        positions: npt.ArrayLike,
        label: int,
        inserted_at: npt.ArrayLike | None = None,
        soft_label: npt.ArrayLike | None = None,
    ) -> None:
        """Appends one clip whose key frames already have the stored dtype; they are copied bit for bit.

        `stored` contains frames (K, C, H, W) in this store's dtype and, for uint8, scale and zero (K, C). The
        other arguments are described in `append`.

        Raises:
            ClipError, PositionsError, DiskFullError, OutputNotWritableError: see `append`.
        """
        shape = (stored.frames.shape[0], self._frame_shape[0])
        quantised = stored.scale is not None and stored.zero is not None
        if (
            stored.frames.dtype != np.dtype(FRAME_DTYPES[self.dtype])
            or stored.frames.shape[1:] != self._frame_shape
            or quantised != (self.dtype == "uint8")
            or any(part is not None and part.shape != shape for part in stored[1:])
        ):
            raise ClipError(
                f"stored frames must have shape (K, {', '.join(map(str, self._frame_shape))}) and dtype "
                f"{self.dtype}, got shape {stored.frames.shape} and dtype {stored.frames.dtype}; pass scale "
                "and zero only for uint8"
            )
        if self.encoding is not None:
            raise ClipError(f"frames of this store are encoded as {self.encoding.name}; use append_encoded")
        if self.dtype != "uint8" and not np.isfinite(stored.frames).all():
            raise ClipError("stored frames must contain only finite numbers, but contain NaN or infinity")
        self._note(len(stored.frames), positions, label, inserted_at, soft_label, stored)
        self._write(stored.frames)

    def append_encoded(
        self,
        files: Sequence[bytes],
        positions: npt.ArrayLike,
        label: int,
        inserted_at: npt.ArrayLike | None = None,
        soft_label: npt.ArrayLike | None = None,
    ) -> None:
        """Appends one clip whose key frames are image files with this store's encoding and levels.

        `files` contains one file per key frame, or one sequence. The files must be valid, because they are
        not decoded here. The other arguments are described in `append`.

        Raises:
            ClipError, PositionsError, DiskFullError, OutputNotWritableError: see `append`.
        """
        count = np.asarray(positions).size
        if self.encoding is None:
            raise ClipError("frames of this store are not encoded; use append")
        wanted = count if self.encoding.unit == "frame" else 1
        if len(files) != wanted or not all(files):
            raise ClipError(
                f"a clip of {counted(count, 'key frame')} must be passed as "
                f"{counted(wanted, 'non-empty file')} encoded as {self.encoding.name}, got {len(files)}"
            )
        self._check_files(count, max(map(len, files)))
        self._note(count, positions, label, inserted_at, soft_label)
        if self._encoder is not None:
            for done in self._encoder.finish():  # write earlier clips first
                self._write_coded(done.files)
        self._write_coded(files)

    def takes_files(self, encoding: str | None, levels: Levels | None) -> bool:
        """Returns whether `append_encoded` accepts image files with this encoding and these levels."""
        if self.encoding is None or levels is None or self._levels is None:
            return False
        return self.encoding.name == encoding and self._levels.equals(levels)

    def write_native(self, method: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Adds native arrays, which a method needs in addition to key frames.

        Args:
            method: name of the method, whose code may use the arrays instead of the key frames.
            arrays: non-empty arrays by name. A name consists of a-z, 0-9 and _; a dtype is one of
                `dfs_store.format.spec.NATIVE_DTYPES`.

        Raises:
            SettingsError: a name, dtype or shape is invalid, or a number is not finite.
        """
        native = stored_natively(arrays)
        attributes = {**self._attributes, NATIVE: describe_native(method, native)}
        if problems := header_problems(attributes):
            raise SettingsError("; ".join(problems))
        self._native, self._attributes = native, attributes

    def _note(
        self,
        count: int,
        positions: npt.ArrayLike,
        label: int,
        inserted_at: npt.ArrayLike | None,
        soft_label: npt.ArrayLike | None,
        stored: Encoded | None = None,
    ) -> None:
        """Checks everything about a clip except its frames, and records its values for the small arrays."""
        if self._files is None:
            raise SettingsError(
                f"{self._shown}: the writer is not open; use it as `with StoreWriter(...) as writer:`"
            )
        places = check_positions(positions, self._num_frames)
        if places.size != count:
            raise ClipError(
                f"there must be one position per key frame, got {places.size} positions for {count} key "
                "frames"
            )
        num_classes = len(self._attributes["class_names"])
        parts = {"positions": places, "labels": np.array([check_label(label, num_classes)])}
        optional = self._check_optional(inserted_at=inserted_at, soft_labels=soft_label)
        if inserted_at is not None:
            parts["inserted_at"] = check_steps(inserted_at, count)
        if soft_label is not None:
            parts["soft_labels"] = check_soft_label(soft_label, num_classes)
        if stored is not None:
            parts["checksums"] = frame_checksums(stored.frames)
            if stored.scale is not None and stored.zero is not None:
                parts |= {"scale": stored.scale, "zero": stored.zero}
        for name, part in parts.items():
            self._parts[name].append(part.astype(SMALL_ARRAYS[name]))
        self._counts.append(count)
        self._optional = optional

    def _check_files(self, count: int, largest: int = 1) -> None:
        frames = count if self.encoding is not None and self.encoding.unit == "clip" else 1
        if problem := coded_file_problem(frames, largest, self._frame_shape):
            raise ClipError(problem)

    def _write_coded(self, files: Sequence[bytes]) -> None:
        self._parts["checksums"].append(np.array([google_crc32c.value(data) for data in files], dtype="<u4"))
        self._file_sizes += [len(data) for data in files]
        self._write(np.frombuffer(b"".join(files), dtype=np.uint8))

    def _write(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows to the large array. Removes the store if this fails."""
        assert self._files is not None
        try:
            self._files.append(rows)
        except OSError as error:
            self._abort()
            self._failure = output_error(error, self._transaction.written_to)
            raise self._failure from error

    def _check_optional(self, **values: npt.ArrayLike | None) -> frozenset[str]:
        """Returns the names of values that are given. Raises ClipError unless earlier clips had the same."""
        given = frozenset(name for name, value in values.items() if value is not None)
        for name in sorted(given ^ (given if self._optional is None else self._optional)):
            raise ClipError(
                f"{name} must be passed for all clips of a store or for none, but clip {len(self._counts)} "
                "differs from the earlier ones"
            )
        return given

    def _finish(self) -> None:
        assert self._files is not None
        if not self._counts:
            raise ClipError(f"{self._shown}: a store must contain at least one clip, but none was appended")
        attributes = {**self._attributes, "complete": True}
        if self._encoder is not None:
            for done in self._encoder.finish():
                self._write_coded(done.files)
            about = attributes["provenance"] or {}
            attributes["provenance"] = {**about, "frame_encoding": self._encoder.describe()}
        arrays = {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}
        arrays["offsets"] = _running_sum(self._counts)
        shape: tuple[int, ...] = (int(arrays["offsets"][-1]), *self._frame_shape)
        if self._levels is not None and self.encoding is not None:
            arrays["coded_offsets"] = _running_sum(self._file_sizes)
            arrays |= {"scale": self._levels.scale[None], "zero": self._levels.zero[None]}
            shape = (int(arrays["coded_offsets"][-1]),)
        attributes["digest"] = compute_digest(attributes, arrays, shape, self.dtype)
        self._files.finish(arrays, attributes, self._native)
        self._transaction.commit()
        self._close_encoder()
        self._files = None

    def _close_encoder(self) -> None:
        if self._encoder is not None:
            self._encoder.close()

    def _abort(self) -> None:
        self._close_encoder()
        if self._files is not None:
            self._files.close()
            self._files = None
        self._transaction.abort()


def _running_sum(counts: Sequence[int]) -> npt.NDArray[np.int64]:
    """Returns the start of each of several consecutive runs and the end of the last, given their lengths."""
    return np.concatenate([[0], np.cumsum(counts)]).astype("<i8")
