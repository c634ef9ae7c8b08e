"""Converts values from a store's value space to the caller's, per channel.

The conversion is affine, like interpolation, so it is applied to the few key frames instead of whole clips.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError

__all__ = [
    "PIXELS",
    "Affine",
    "NormalizationOption",
    "Space",
    "ValueSpace",
    "affine_between",
    "parse_normalization",
    "stored_space",
]

ValueSpace: TypeAlias = tuple[Sequence[float], Sequence[float]] | Mapping[str, Sequence[float]] | None
NormalizationOption: TypeAlias = Literal["stored"] | ValueSpace


class Space(NamedTuple):
    """A value space: value = (pixel - mean) / std, with pixels in [0, 1].

    Attributes:
        mean: mean of each channel, C numbers.
        std: standard deviation of each channel, C positive numbers.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def as_dict(self) -> dict[str, list[float]]:
        """Returns {"mean": [...], "std": [...]}, the form used by stores and torchvision."""
        return {"mean": list(self.mean), "std": list(self.std)}


PIXELS = Space((0.0,), (1.0,))


class Affine(NamedTuple):
    """An affine map per channel: value = scale * stored + zero.

    Attributes:
        scale: scale of each channel, (C,) float64.
        zero: offset of each channel, (C,) float64.
    """

    scale: npt.NDArray[np.float64]
    zero: npt.NDArray[np.float64]


def parse_normalization(
    option: object, num_channels: int, word: str = "stored"
) -> Literal["stored"] | Space | None:
    """Converts a dataset's option `normalization` to a `Space`, None (for pixels) or "stored".

    Args:
        option: `word`, None, (mean, std) or {"mean": mean, "std": std}; each is a number or C numbers.
        num_channels: C.
        word: word for the dataset's own normalisation; returned as "stored".

    Raises:
        SettingsError: the option is none of these, or a std is not positive.
    """
    rule = f'normalization must be "{word}", None (pixels in [0, 1]) or a pair (mean, std)'
    if option is None:
        return None
    if isinstance(option, str):
        if option != word:
            raise SettingsError(f"{rule}, got {option!r}")
        return "stored"
    try:
        pair = (option["mean"], option["std"]) if isinstance(option, Mapping) else option
        mean, std = cast(tuple[npt.ArrayLike, npt.ArrayLike], pair)
        numbers = [np.broadcast_to(np.asarray(part, dtype=np.float64), num_channels) for part in (mean, std)]
    except (KeyError, TypeError, ValueError):
        raise SettingsError(
            f"{rule} with {num_channels} numbers each, one per channel, got {option!r}"
        ) from None
    if not np.isfinite(numbers).all() or not (numbers[1] > 0).all():
        raise SettingsError(f"{rule}; numbers must be finite and std must be positive, got {option!r}")
    return Space(tuple(numbers[0].tolist()), tuple(numbers[1].tolist()))


def stored_space(normalization: Mapping[str, Sequence[float]] | None) -> Space | None:
    """Returns the value space of a store with this normalization, or None if its values are pixels."""
    if normalization is None:
        return None
    return Space(tuple(normalization["mean"]), tuple(normalization["std"]))


def affine_between(stored: Space | None, wanted: Space | None) -> Affine | None:
    """Returns the map from one space to another, or None if the spaces are equal."""
    if stored == wanted:
        return None
    stored_mean, stored_std = np.asarray(stored or PIXELS)
    wanted_mean, wanted_std = np.asarray(wanted or PIXELS)
    return Affine(stored_std / wanted_std, (stored_mean - wanted_mean) / wanted_std)
