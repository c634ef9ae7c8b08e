"""Imported clips as few key frames: how many each gets, and which rebuild it best (the fit of `pack`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dfs_store.byte_sizes import parse_bytes
from dfs_store.errors import SettingsError
from dfs_store.format import key_frames_within
from dfs_store.interpolation import check_key_frame_count

if TYPE_CHECKING:
    from dfs_store.condense.fitting.key_frame_fit import Fit

__all__ = ["Fitting", "chosen_fits", "fits_of"]

_PEAK = 255.0
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitting:
    """How many key frames an imported clip keeps; at most one of these, all frames without.

    Attributes:
        key_frames: so many per clip at most.
        max_error: as few as keep the root-mean-square error of a clip within so many levels of 255.
        budget: as many as lower the total error most within so many bytes for all clips ("20MiB").

    Raises:
        SettingsError: a value outside its rule, or more than one.
    """

    key_frames: int | None = None
    max_error: float | None = None
    budget: str | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.key_frames, self.max_error, self.budget)) > 1:
            raise SettingsError(
                "--key-frames, --max-error and --budget all say how many key frames; give one of them"
            )
        if self.key_frames is not None and self.key_frames < 1:
            raise SettingsError(f"--key-frames must be at least 1, got {self.key_frames}")
        if self.max_error is not None and not 0 <= self.max_error <= _PEAK:
            raise SettingsError(f"--max-error must lie in 0..255 grey levels, got {self.max_error:g}")
        if self.budget is not None:
            parse_bytes(self.budget, "--budget")

    @property
    def is_dense(self) -> bool:
        """Whether all frames are kept."""
        return self == Fitting()

    def check_clips(
        self, num_clips: int, num_frames: int, frame_shape: tuple[int, int, int], dtype: str
    ) -> None:
        """Raises SettingsError where such clips cannot have so many, or so few, key frames."""
        if self.key_frames is not None:
            check_key_frame_count(self.key_frames, num_frames, "--key-frames")
        if self.budget is not None and self.affordable(num_clips, frame_shape, dtype) < num_clips:
            raise SettingsError(
                f"--budget {self.budget} holds {self.affordable(num_clips, frame_shape, dtype):,} key frames "
                f"as {dtype}, but {num_clips:,} clips need one each; take more, or a smaller --dtype"
            )

    def affordable(self, num_clips: int, frame_shape: tuple[int, int, int], dtype: str) -> int:
        """Returns how many key frames of all clips the budget holds."""
        budget_bytes = parse_bytes(str(self.budget), "--budget")
        return key_frames_within(budget_bytes, num_clips, frame_shape, dtype)


def fits_of(values: Floats, std: Floats) -> "list[Fit]":
    """Returns the best fit of 1, 2, ... T key frames to a clip, errors in grey levels of 255.

    Args:
        values: (T, C, H, W).
        std: (C, 1, 1), of the normalization. Where black lies does not matter: the weights of a frame add up
            to one.
    """
    from dfs_store.condense.fitting.key_frame_fit import (  # by need: its package imports torch
        best_fits,
        gram_matrix,
    )

    return best_fits(gram_matrix(values * (std * np.float32(_PEAK))))


def chosen_fits(
    clips: Iterator[Floats], std: Floats, fitting: Fitting, affordable: int | None
) -> "Iterator[Fit]":
    """Yields the fit of every clip; a budget is shared out once all clips have been read.

    Args:
        clips: (T, C, H, W) each.
        std: see `fits_of`.
        fitting: how many key frames; not dense.
        affordable: key frames of all clips, with a budget.
    """
    from dfs_store.condense.fitting.key_frame_fit import fewest_within, share_out_key_frames

    if affordable is not None:
        curves = [fits_of(values, std) for values in clips]
        counts = share_out_key_frames([[fit.error for fit in fits] for fits in curves], affordable)
        yield from (fits[count - 1] for fits, count in zip(curves, counts, strict=True))
        return
    for values in clips:
        fits = fits_of(values, std)
        if fitting.max_error is not None:
            yield fewest_within(fits, fitting.max_error, values.size)
        else:
            yield fits[(fitting.key_frames or len(fits)) - 1]
