"""Imports dense clips written by other programs into a store, with all or some of their frames."""

import datetime
import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dfs_store import __version__
from dfs_store.errors import ClipError, SettingsError
from dfs_store.exchange.imports.dense import DenseClips
from dfs_store.exchange.imports.fitting import Fitting, chosen_fits
from dfs_store.exchange.imports.read_file import FileOptions, read_file
from dfs_store.exchange.imports.read_folder import FolderOptions, read_folder
from dfs_store.exchange.pixels import PEAK, PIXEL_RANGE, Normalization, normalised, parse_normalization
from dfs_store.format import StoreWriter, check_output, open_store
from dfs_store.format.coded.encoding import parse_encoding, stored_dtype
from dfs_store.format.spec import IMAGENET
from dfs_store.videos.files.source import recorded_source

if TYPE_CHECKING:
    from dfs_store.condense.fitting.key_frame_fit import Fit
    from dfs_store.videos.cache.prepare import OnProgress

__all__ = ["ImportSettings", "Imported", "import_clips"]

_SLACK = 0.5 / PEAK  # tolerance for rounded pixels
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImportSettings:
    """Settings of `import_clips`.

    Attributes:
        file: how to read a file; not used for folders.
        folder: how to sample clips from the videos in a folder; not used for files.
        normalization: imagenet, none or MEAN/STD. 8-bit pixels are normalised accordingly. Floating-point
            values are stored unchanged, and the setting states how they were normalised; "0-255" means that
            they are 8-bit pixels. Defaults to the source's normalization, or to ImageNet's if the source does
            not state one and there are three channels.
        dtype: dtype of the stored key frames. Defaults to float32, or to uint8 if `encoding` is set.
        encoding: image format in which key frames are stored: "webp[:QUALITY]" or "avif[:QUALITY]". With an
            encoding, `fitting` can only set `key_frames`, because the other options measure errors before
            encoding.
        fitting: how many key frames to keep per clip; all frames by default.
        dataset: dataset that the clips are derived from, for the provenance.
        fps: frames per second; the source's if None.

    Raises:
        SettingsError: a value is invalid.
    """

    file: FileOptions = field(default_factory=FileOptions)
    folder: FolderOptions = field(default_factory=FolderOptions)
    normalization: str | None = None
    dtype: str | None = None
    encoding: str | None = None
    fitting: Fitting = field(default_factory=Fitting)
    dataset: str | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise SettingsError(f"--fps must be above 0, got {self.fps:g}")
        if parse_encoding(self.encoding, "--encoding") is None:
            return
        if self.fitting.budget is not None or self.fitting.max_error is not None:
            raise SettingsError(
                "--budget and --max-error cannot be used with --encoding, because they measure errors before "
                "encoding; use --key-frames, or dfs condense --method pack, which measures them afterwards"
            )

    @property
    def stored_dtype(self) -> str:
        """Dtype of the stored key frames; the default if `dtype` is None."""
        return stored_dtype(self.dtype, parse_encoding(self.encoding, "--encoding"), prefix="--")


@dataclass(frozen=True)
class Imported:
    """Result of `import_clips`.

    Attributes:
        num_clips: N, the number of clips.
        num_key_frames: S, the total number of key frames.
        source: provenance of the source.
        normalization: normalization of the store.
        smallest: smallest value in the clips.
        largest: largest value in the clips.
        outside_share: share of values outside the range of pixels under this normalization.
        rms_error: root-mean-square error of the rebuilt clips after encoding, in 8-bit grey levels; None if
            all frames are stored without an encoding.
        notes: remarks for the user, one sentence each.
    """

    num_clips: int
    num_key_frames: int
    source: dict[str, Any]
    normalization: Normalization | None
    smallest: float
    largest: float
    outside_share: float
    rms_error: float | None
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Returns the result as a JSON object."""
        return asdict(self)


def import_clips(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: ImportSettings | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_prepare: "OnProgress | None" = None,
) -> Imported:
    """Writes dense clips into a store, with all frames or a few key frames of each.

    Only one clip is in memory at a time. Float32 values are stored bit for bit. Files are never unpickled.

    Args:
        source: a file (.pt, .npy, .npz, .safetensors) or a folder of <class>/<clips>.
        out: path of the store; its suffix selects the container.
        settings: see `ImportSettings`.
        overwrite: whether to replace an existing store.
        on_progress: called with the number of clips written and the total.
        on_prepare: called with a `PrepareProgress` while videos are decoded.

    Raises:
        DatasetNotFoundError: `source` does not exist.
        UnreadableClipsError: the file contains no clips that can be read safely.
        SettingsError: a setting is invalid, or the contents of the file are ambiguous.
        ClipError: a clip contains values that are not finite, or that are too large for the dtype.
        OutputExistsError, OutputNotWritableError, DiskFullError: see `StoreWriter`.
    """
    settings = settings or ImportSettings()
    check_output(out, overwrite=overwrite)
    path = Path(source)
    if path.is_dir():
        if (path / "zarr.json").exists():
            raise SettingsError(f"{path} is already a store; use dfs convert to copy it")
        dense = read_folder(path, settings.folder, on_prepare)
    else:
        dense = read_file(path, settings.file)
    settings.fitting.check_clips(
        len(dense.labels), dense.num_frames, dense.frame_shape, settings.stored_dtype
    )
    if settings.normalization == PIXEL_RANGE:
        settings, dense = replace(settings, normalization=None), replace(dense, are_pixels=True)
    return _write(dense, out, settings, overwrite, on_progress)


def _write(
    dense: DenseClips,
    out: str | os.PathLike[str],
    settings: ImportSettings,
    overwrite: bool,
    on_progress: Callable[[int, int], None] | None,
) -> Imported:
    normalization, assumed = _normalization(dense, settings)
    seen, num_key_frames = _Seen(normalization, dense.frame_shape[0]), 0
    with StoreWriter(
        out,
        num_frames=dense.num_frames,
        frame_shape=dense.frame_shape,
        class_names=dense.class_names,
        dtype=settings.dtype,
        encoding=settings.encoding,
        attributes={
            "normalization": normalization,
            "fps": settings.fps or dense.fps,
            "provenance": _provenance(dense, settings, out),
        },
        overwrite=overwrite,
    ) as writer:
        fits = _fits(dense, settings, normalization, seen.std)
        for number, values in enumerate(_values(dense, normalization)):
            seen.take(values)
            key_frames, positions = _reduced(values, next(fits), seen)
            writer.append(key_frames, positions, dense.labels[number])
            num_key_frames += len(positions)
            if on_progress is not None:
                on_progress(number + 1, len(dense.labels))
        num_clips = len(writer)
    return Imported(
        num_clips,
        num_key_frames,
        dense.provenance["source"],
        normalization,
        seen.smallest,
        seen.largest,
        seen.outside / seen.num_values,
        _rms_error(dense, out, settings, normalization, seen),
        [*dense.notes, *seen.notes(assumed)],
    )


def _rms_error(
    dense: DenseClips,
    out: str | os.PathLike[str],
    settings: ImportSettings,
    normalization: Normalization | None,
    seen: "_Seen",
) -> float | None:
    """Returns the RMS error of the rebuilt clips, from the fits or, with an encoding, from the store."""
    if parse_encoding(settings.encoding) is None:
        return None if settings.fitting.is_dense else math.sqrt(seen.squared_error / seen.num_values)
    squares = 0.0
    with open_store(out) as store:
        for clip, values in enumerate(_values(dense, normalization)):
            error = (store.clip(clip) - values) * (seen.std * np.float32(PEAK))
            squares += float(np.square(error, dtype=np.float64).sum())
    return math.sqrt(squares / seen.num_values)


def _normalization(dense: DenseClips, settings: ImportSettings) -> tuple[Normalization | None, bool]:
    """Returns the store's normalization, and whether it is only assumed because nothing states it."""
    channels = dense.frame_shape[0]
    if settings.normalization is not None:
        return parse_normalization(settings.normalization, channels), False
    if not dense.is_normalised and not dense.are_pixels:
        return None, False
    if dense.normalization is not None:
        return dense.normalization, False
    return (IMAGENET if channels == len(IMAGENET["mean"]) else None), not dense.are_pixels


def _values(dense: DenseClips, normalization: Normalization | None) -> Iterator[Floats]:
    """Yields the clips as they will be stored, (T, C, H, W) finite float32."""
    for number, clip in enumerate(dense.clips()):
        with np.errstate(over="ignore"):  # an overflow of float64 values is reported below
            values = normalised(clip, normalization) if dense.are_pixels else clip.astype(np.float32)
        if not np.isfinite(values).all():
            raise ClipError(
                f"{dense.name}: all values must be finite in float32, but clip {number} contains NaN or "
                "infinity; replace these values, or remove the clip"
            )
        yield values


def _fits(
    dense: DenseClips, settings: ImportSettings, normalization: Normalization | None, std: Floats
) -> "Iterator[Fit | None]":
    fitting = settings.fitting
    if fitting.is_dense:
        return itertools.repeat(None)
    affordable = None
    if fitting.budget is not None:
        affordable = fitting.affordable(len(dense.labels), dense.frame_shape, settings.stored_dtype)
    return chosen_fits(_values(dense, normalization), std, fitting, affordable)


def _reduced(values: Floats, fit: "Fit | None", seen: "_Seen") -> tuple[Floats, npt.NDArray[np.int64]]:
    if fit is None:
        return values, np.arange(len(values))
    from dfs_store.condense.fitting.key_frame_fit import fitted_key_frames  # its package imports torch

    seen.squared_error += fit.error
    if len(fit.positions) == len(values):
        return values, fit.positions
    return fitted_key_frames(values, fit.positions), fit.positions


def _provenance(dense: DenseClips, settings: ImportSettings, out: str | os.PathLike[str]) -> dict[str, Any]:
    counts = set(Counter(dense.labels).values())
    return {
        "method": "imported",
        "dataset": None if settings.dataset is None else recorded_source(settings.dataset, out),
        "vpc": counts.pop() if len(counts) == 1 else None,
        **dense.provenance,
        **({} if settings.fitting.is_dense else {"fit": asdict(settings.fitting)}),
        "software": {"dfs-store": __version__, "numpy": np.__version__},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "sources": dense.sources,
    }


class _Seen:
    """Collects statistics of all values and compares them with the range of pixels."""

    def __init__(self, normalization: Normalization | None, channels: int) -> None:
        self._normalization = normalization
        mean = np.zeros(channels) if normalization is None else np.array(normalization["mean"])
        std = np.ones(channels) if normalization is None else np.array(normalization["std"])
        self.std = std.astype(np.float32)[:, None, None]
        self._low = ((-_SLACK - mean) / std).astype(np.float32)[:, None, None]
        self._high = ((1 + _SLACK - mean) / std).astype(np.float32)[:, None, None]
        self.smallest, self.largest = math.inf, -math.inf
        self.outside = self.num_values = 0
        self.squared_error = 0.0

    def take(self, values: Floats) -> None:
        self.smallest = min(self.smallest, float(values.min()))
        self.largest = max(self.largest, float(values.max()))
        self.outside += int(np.count_nonzero((values < self._low) | (values > self._high)))
        self.num_values += values.size

    def notes(self, assumed: bool) -> list[str]:
        """Returns warnings about the range of floating-point values."""
        words = f"values range from {self.smallest:.4g} to {self.largest:.4g}"
        notes = []
        if assumed:
            name = "none" if self._normalization is None else "imagenet"
            notes.append(f"the normalization of the values is unknown; assuming --normalization {name}")
        if self.smallest >= 0 and 16 < self.largest <= PEAK and self.outside > self.num_values / 2:
            notes.append(f"{words}, like 8-bit pixels; consider --normalization {PIXEL_RANGE}")
        elif assumed and -1 <= self.smallest < -0.9 and 0.9 < self.largest <= 1:
            notes.append(f"{words}, like pixels with mean 0.5 and std 0.5; consider --normalization 0.5/0.5")
        elif assumed and self._normalization is not None and self.smallest >= 0 and self.largest <= 1:
            notes.append(f"{words}, like pixels that are not normalised; consider --normalization none")
        elif self.outside:
            mean = "no mean" if self._normalization is None else f"mean {self._normalization['mean']}"
            low, high = float(self._low.min()), float(self._high.max())
            notes.append(
                f"{words}; {100 * self.outside / self.num_values:.2g} % of them are outside the range of "
                f"pixels, which is {low:.3g} to {high:.3g} under this normalization ({mean}). This is normal "
                "for synthetic clips; if you did not expect this, set --normalization"
            )
        return notes
