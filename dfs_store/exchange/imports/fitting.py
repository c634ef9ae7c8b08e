"""Selects the key frames of imported clips as the method `pack` does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dfs_store.byte_sizes import parse_bytes
from dfs_store.errors import SettingsError
from dfs_store.exchange.pixels import PEAK
from dfs_store.format import key_frames_within
from dfs_store.interpolation import check_key_frame_count
from dfs_store.names import counted

if TYPE_CHECKING:
    from dfs_store.condense.fitting.key_frame_fit import Fit

__all__ = ["Fitting", "chosen_fits"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitting:
    """How many key frames to keep per imported clip. If no option is set, all frames are kept.

    Attributes:
        key_frames: number of key frames to keep per clip.
        max_error: maximum root-mean-square error of a clip, in 8-bit grey levels; as few key frames as
            possible are kept.
        budget: maximum total size of all clips, for example "20MiB"; key frames are distributed so that the
            total error is minimal.

    Raises:
        SettingsError: a value is invalid, or more than one option is set.
    """

    key_frames: int | None = None
    max_error: float | None = None
    budget: str | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.key_frames, self.max_error, self.budget)) > 1:
            raise SettingsError(
                "--key-frames, --max-error and --budget cannot be combined; use only one of them"
            )
        if self.key_frames is not None and self.key_frames < 1:
            raise SettingsError(f"--key-frames must be at least 1, got {self.key_frames}")
        if self.max_error is not None and not 0 <= self.max_error <= PEAK:
            raise SettingsError(f"--max-error must be between 0 and 255 grey levels, got {self.max_error:g}")
        if self.budget is not None:
            parse_bytes(self.budget, "--budget")

    @property
    def is_dense(self) -> bool:
        """Whether all frames are kept."""
        return self == Fitting()

    def check_clips(
        self, num_clips: int, num_frames: int, frame_shape: tuple[int, int, int], dtype: str
    ) -> None:
        """Raises SettingsError if the clips cannot have the requested number of key frames."""
        if self.key_frames is not None:
            check_key_frame_count(self.key_frames, num_frames, "--key-frames")
        if self.budget is not None and self.affordable(num_clips, frame_shape, dtype) < num_clips:
            raise SettingsError(
                f"--budget {self.budget} is too small: {counted(num_clips, 'clip')} need a key frame each, "
                f"but only {self.affordable(num_clips, frame_shape, dtype):,} fit as {dtype}; use a larger "
                "budget or a smaller --dtype"
            )

    def affordable(self, num_clips: int, frame_shape: tuple[int, int, int], dtype: str) -> int:
        """Returns the total number of key frames that fit into the budget."""
        budget_bytes = parse_bytes(str(self.budget), "--budget")
        return key_frames_within(budget_bytes, num_clips, frame_shape, dtype)


def chosen_fits(
    clips: Iterator[Floats], std: Floats, fitting: Fitting, affordable: int | None
) -> "Iterator[Fit]":
    """Yields the fit of every clip. With a budget, all clips are read first.

    Args:
        clips: (T, C, H, W) each.
        std: standard deviation of the normalization, (C, 1, 1). The mean is not needed: it cancels out,
            because the weights of a frame add up to one.
        fitting: how many key frames to keep; at least one option must be set.
        affordable: total number of key frames that fit into the budget; None without a budget.
    """
    # Imported here because the package imports torch.
    from dfs_store.condense.fitting import key_frame_fit as fit

    def fits_of(values: Floats) -> "list[Fit]":
        """Returns the best fits with 1, 2, ..., T key frames, with errors in 8-bit grey levels."""
        return fit.best_fits(fit.gram_matrix(values * (std * np.float32(PEAK))))

    if affordable is not None:
        curves = [fits_of(values) for values in clips]
        counts = fit.share_out_key_frames([[each.error for each in fits] for fits in curves], affordable)
        yield from (fits[count - 1] for fits, count in zip(curves, counts, strict=True))
        return
    for values in clips:
        fits = fits_of(values)
        if fitting.max_error is not None:
            yield fit.fewest_within(fits, fitting.max_error, values.size)
        else:
            yield fits[(fitting.key_frames or len(fits)) - 1]
