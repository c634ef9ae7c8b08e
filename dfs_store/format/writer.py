"""Writing a store: clips are checked as they come, and the store appears whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dfs_store.errors import ClipError, DFSError, SettingsError
from dfs_store.format.container import ContainerWriter, check_compression, container_of
from dfs_store.format.digest import compute_digest, frame_checksums
from dfs_store.format.given import build_attributes, check_frames, check_label, check_steps
from dfs_store.format.io.durable import output_error
from dfs_store.format.io.transaction import open_transaction
from dfs_store.format.native import describe_native, stored_natively
from dfs_store.format.quantization import Encoded, encode
from dfs_store.format.spec import FRAME_DTYPES, NATIVE, SMALL_ARRAYS, header_problems
from dfs_store.interpolation import check_positions

__all__ = ["StoreWriter"]


class StoreWriter:
    """Writes a store, clip by clip, as a context manager.

    Nothing is visible at `path` before a clean exit; an exception leaves nothing behind. Memory stays at one
    clip, however many are written. With `overwrite` the former store stays recoverable until the new one
    stands.

    Args:
        path: where the store is to lie; the container follows the suffix: `.zarr`, `.zarr.zip`, `.h5` or
            `.hdf5`. May be a URL: the store is made in a folder of this machine, and uploaded when whole.
        num_frames: T, frames of every clip, at least 2.
        frame_shape: (C, H, W) of every key frame.
        class_names: names in the order of their labels, all different.
        dtype: "float32", "float16" or "uint8"; see `dfs_store.format.quantization` for the error bounds.
        attributes: normalization, fps, provenance, and any further keys; JSON values.
        overwrite: replace a store that is there.
        compression: None, "zstd" (Zarr only) or "gzip", for archives: compressed frames cannot be mapped.

    Raises:
        SettingsError: an argument is outside its rule.
        OutputExistsError: something is at the path and `overwrite` is off.
        OutputNotWritableError: the path cannot be written.
        StoreUnreachableError: the server of a URL does not answer.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        num_frames: int,
        frame_shape: Sequence[int],
        class_names: Sequence[str],
        dtype: str = "float32",
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        compression: str | None = None,
    ) -> None:
        if dtype not in FRAME_DTYPES:
            raise SettingsError(f"dtype must be one of {', '.join(FRAME_DTYPES)}, got {dtype!r}")
        self._transaction = open_transaction(path, overwrite=overwrite)
        self._shown = str(self._transaction.shown)
        self._container = container_of(self._transaction.shown)
        check_compression(compression, self._container)
        self._attributes = build_attributes(num_frames, frame_shape, class_names, attributes)
        self._num_frames: int = self._attributes["num_frames"]
        self._frame_shape: tuple[int, int, int] = tuple(self._attributes["frame_shape"])
        self._dtype, self._compression = dtype, compression
        self._files: ContainerWriter | None = None
        self._parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in SMALL_ARRAYS}
        self._counts: list[int] = []
        self._with_steps: bool | None = None
        self._failure: DFSError | None = None
        self._native: dict[str, npt.NDArray[Any]] = {}

    def __enter__(self) -> Self:
        path = self._transaction.begin()
        try:
            self._files = _container_writer(self._container)(
                path, self._frame_shape, self._dtype, self._compression
            )
        except OSError as error:
            self._transaction.abort()
            raise output_error(error, self._transaction.written_to) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._files is None:  # a failed append has cleaned up already
            if kind is None and self._failure is not None:
                raise self._failure  # it was caught on its way, but there is no store
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
        """Number of clips taken in so far."""
        return len(self._counts)

    def append(
        self,
        key_frames: npt.ArrayLike,
        positions: npt.ArrayLike,
        label: int,
        inserted_at: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in one clip.

        Args:
            key_frames: (K, C, H, W) finite numbers.
            positions: (K,) whole numbers: the first 0, the last T-1, strictly increasing; or [0].
            label: class of the clip.
            inserted_at: (K,) whole numbers: the 0-based step at which each key frame was inserted, -1 for
                an initial one. Given for all clips of a store or for none.

        Raises:
            ClipError: key frames, label or inserted_at break a rule; the writer can go on with the next clip.
            PositionsError: positions break a rule; as above.
            DiskFullError, OutputNotWritableError: the disk refused; the writer has cleaned up and is closed.
        """
        frames = check_frames(key_frames, self._frame_shape)
        self._append(encode(frames, self._dtype), positions, label, inserted_at)

    def append_stored(
        self, stored: Encoded, positions: npt.ArrayLike, label: int, inserted_at: npt.ArrayLike | None = None
    ) -> None:
        """Takes in one clip whose frames are in the stored dtype already, bit by bit (copies use it).

        Args:
            stored: frames (K, C, H, W) of this store's dtype; with uint8, scale and zero (K, C).
            positions: as in `append`.
            label: as in `append`.
            inserted_at: as in `append`.

        Raises:
            ClipError, PositionsError, DiskFullError, OutputNotWritableError: as in `append`.
        """
        shape = (stored.frames.shape[0], self._frame_shape[0])
        quantised = stored.scale is not None and stored.zero is not None
        if (
            stored.frames.dtype != np.dtype(FRAME_DTYPES[self._dtype])
            or stored.frames.shape[1:] != self._frame_shape
            or quantised != (self._dtype == "uint8")
            or any(part is not None and part.shape != shape for part in stored[1:])
        ):
            raise ClipError(
                f"stored frames must be (K, {', '.join(map(str, self._frame_shape))}) in {self._dtype}, "
                f"got {stored.frames.shape} in {stored.frames.dtype}; scale and zero go with uint8 only"
            )
        if self._dtype != "uint8" and not np.isfinite(stored.frames).all():
            raise ClipError("stored frames must hold finite numbers, these hold some that are not")
        self._append(stored, positions, label, inserted_at)

    def write_native(self, method: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Takes in what a method needs beside key frames: the group `native` of the store.

        Args:
            method: what the arrays belong to; readers that know it may use them in place of the key frames.
            arrays: by name (a-z, 0-9 and _), not empty, of a dtype of `dfs_store.format.spec.NATIVE_DTYPES`.

        Raises:
            SettingsError: a name, dtype or shape is outside its rule, or a number is not finite.
        """
        native = stored_natively(arrays)
        attributes = {**self._attributes, NATIVE: describe_native(method, native)}
        if problems := header_problems(attributes):
            raise SettingsError("; ".join(problems))
        self._native, self._attributes = native, attributes

    def _append(
        self, stored: Encoded, positions: npt.ArrayLike, label: int, inserted_at: npt.ArrayLike | None
    ) -> None:
        if self._files is None:
            raise SettingsError(
                f"{self._shown}: the writer is not open; use it as `with StoreWriter(...) as writer:`"
            )
        count = stored.frames.shape[0]
        places = check_positions(positions, self._num_frames)
        if places.size != count:
            raise ClipError(f"there must be as many positions as key frames, got {places.size} and {count}")
        parts = {
            "positions": places,
            "labels": np.array([check_label(label, len(self._attributes["class_names"]))]),
            "checksums": frame_checksums(stored.frames),
        }
        steps = self._check_steps(inserted_at, count)
        if steps is not None:
            parts["inserted_at"] = steps
        if stored.scale is not None and stored.zero is not None:
            parts |= {"scale": stored.scale, "zero": stored.zero}
        try:
            self._files.append(stored.frames)
        except OSError as error:
            self._abort()
            self._failure = output_error(error, self._transaction.written_to)
            raise self._failure from error
        for name, part in parts.items():
            self._parts[name].append(part.astype(SMALL_ARRAYS[name]))
        self._counts.append(count)
        self._with_steps = steps is not None

    def _check_steps(self, inserted_at: npt.ArrayLike | None, count: int) -> npt.NDArray[Any] | None:
        given = inserted_at is not None
        if self._with_steps is not None and given != self._with_steps:
            raise ClipError(
                "inserted_at must be given for all clips of a store or for none; "
                f"clip {len(self._counts)} is the first to differ"
            )
        return None if inserted_at is None else check_steps(inserted_at, count)

    def _finish(self) -> None:
        assert self._files is not None
        if not self._counts:
            raise ClipError(f"{self._shown}: a store must hold at least one clip, and none was appended")
        arrays = {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}
        arrays["offsets"] = np.concatenate([[0], np.cumsum(self._counts)]).astype(SMALL_ARRAYS["offsets"])
        attributes = {**self._attributes, "complete": True}
        shape = (int(arrays["offsets"][-1]), *self._frame_shape)
        attributes["digest"] = compute_digest(attributes, arrays, shape, self._dtype)
        self._files.finish(arrays, attributes, self._native)
        self._transaction.commit()
        self._files = None

    def _abort(self) -> None:
        if self._files is not None:
            self._files.close()
            self._files = None
        self._transaction.abort()


def _container_writer(container: str) -> Any:  # noqa: ANN401 - either class, both are ContainerWriter
    # Imported by need, as in `open_container`.
    if container != "hdf5":
        from dfs_store.format.zarr.writer import ZarrWriter

        return ZarrWriter
    from dfs_store.format.hdf5.writer import Hdf5Writer

    return Hdf5Writer
