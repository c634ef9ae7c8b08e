"""Copies a store to a different container, dtype or compression, and measures the error of the copy."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dfs_store.exchange.pixels import PEAK
from dfs_store.format import KeyFrameStore, StorageReport, copy_store, open_store
from dfs_store.format.coded.encoding import gives_quality
from dfs_store.format.coded.levels import psnr
from dfs_store.format.copying.convert import kept_clips

__all__ = ["Conversion", "StorageError", "convert_store", "measure_error"]

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class StorageError:
    """The error of a copy over all values of its key frames.

    Attributes:
        largest: largest absolute error, in `unit`.
        root_mean_square: root-mean-square error, in `unit`.
        largest_grey_levels: largest absolute error in 8-bit grey levels (of 255).
        root_mean_square_grey_levels: root-mean-square error in 8-bit grey levels.
        psnr: peak signal-to-noise ratio in dB, peak 255; None if there is no error.
        unit: "standard deviations" if the values are normalised, otherwise "pixels in [0, 1]".
    """

    largest: float
    root_mean_square: float
    largest_grey_levels: float
    root_mean_square_grey_levels: float
    psnr: float | None
    unit: str


@dataclass(frozen=True)
class Conversion:
    """Result of `convert_store`. Each pair describes the source and the copy.

    Attributes:
        dtype: dtypes of the key frames.
        stored: how key frames are stored: the dtype or the encoding.
        container: names of the containers.
        num_clips: numbers of clips.
        storage: sizes of the stores.
        error: error of the copy; None if key frames were copied bit for bit.
        notes: a sentence for each part of the store that was not copied.
    """

    dtype: tuple[str, str]
    stored: tuple[str, str]
    container: tuple[str, str]
    num_clips: tuple[int, int]
    storage: tuple[StorageReport, StorageReport]
    error: StorageError | None
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Returns the result as a JSON object, with the source as "before" and the copy as "after"."""
        sides = zip(self.dtype, self.stored, self.container, self.num_clips, self.storage, strict=True)
        before, after = (
            {
                "container": container,
                "dtype": dtype,
                "stored": stored,
                "num_clips": clips,
                "storage": storage.to_json(),
            }
            for dtype, stored, container, clips, storage in sides
        )
        error = None if self.error is None else asdict(self.error)
        return {"before": before, "after": after, "error": error, "notes": self.notes}


def convert_store(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    encoding: str | None = None,
    compression: str | None = None,
    classes: Sequence[str] | None = None,
    without: Sequence[int] = (),
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Conversion:
    """Copies a store (see `dfs_store.format.copy_store`) and measures the error of the copy.

    Args:
        source: path of the store to copy.
        target: path of the copy; its suffix selects the container. With `overwrite`, it can be the source.
        dtype: "float32", "float16" or "uint8"; the source's if None.
        encoding: "webp[:QUALITY]", "avif[:QUALITY]" or "none"; the source's if this and `dtype` are None.
        compression: None, "zstd" (Zarr only) or "gzip".
        classes: names of the classes to keep. Defaults to all.
        without: numbers of the clips to skip.
        overwrite: whether to replace an existing store.
        on_progress: called with the number of clips processed and the total, first while clips are copied
            and then, unless they are copied bit for bit, while they are compared.

    Raises:
        DFSError: see `copy_store`.
    """
    with open_store(source) as before:
        storage, stored = before.storage, before.stored_as
        copy_store(
            source,
            target,
            dtype=dtype,
            encoding=encoding,
            compression=compression,
            classes=classes,
            without=without,
            overwrite=overwrite,
            on_progress=on_progress,
        )
        # `before` still reads the old files, even if the copy has just replaced them.
        with open_store(target) as after:
            changed = stored != after.stored_as or gives_quality(encoding)
            kept = set(after.class_names)
            clips = [c for c in kept_clips(before, without) if before.class_names[before.labels[c]] in kept]
            return Conversion(
                (before.dtype, after.dtype),
                (stored, after.stored_as),
                (before.container, after.container),
                (len(before), len(after)),
                (storage, after.storage),
                measure_error(before, after, clips, on_progress) if changed else None,
                _notes(before, after),
            )


def measure_error(
    before: KeyFrameStore,
    after: KeyFrameStore,
    clips: Sequence[int],
    on_progress: OnProgress | None = None,
) -> StorageError:
    """Compares a copy's key frames with the source's, clip by clip.

    Args:
        before: the source.
        after: the copy.
        clips: numbers of the source's clips that were copied, in order.
        on_progress: called with the number of clips compared and the total.
    """
    channels = before.frame_shape[0]
    std = np.ones(channels) if before.normalization is None else np.array(before.normalization["std"])
    largest, squares, num_values = np.zeros(channels), np.zeros(channels), 0
    for number, clip in enumerate(clips):
        error = after.key_frames(number).astype(np.float64) - before.key_frames(clip)
        largest = np.maximum(largest, np.abs(error).max(axis=(0, 2, 3)))
        squares += np.square(error).sum(axis=(0, 2, 3))
        num_values += error.size
        if on_progress is not None:
            on_progress(number + 1, len(clips))
    grey_levels = math.sqrt(float((squares * std**2).sum()) / num_values) * PEAK
    return StorageError(
        float(largest.max()),
        math.sqrt(float(squares.sum()) / num_values),
        float((largest * std).max()) * PEAK,
        grey_levels,
        psnr(grey_levels**2) if grey_levels > 0 else None,
        "pixels in [0, 1]" if before.normalization is None else "standard deviations",
    )


def _notes(before: KeyFrameStore, after: KeyFrameStore) -> list[str]:
    if before.native_method is not None and after.native_method is None:
        return [
            f"the native arrays of {before.native_method} were not copied, because they are valid only for "
            "all clips together"
        ]
    return []
