"""From the space a store's values lie in to the space a caller wants them in, channel by channel.

Both are affine, as interpolation is, so they are applied to the few key frames, never to whole clips.
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
        mean: C numbers.
        std: C numbers above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def as_dict(self) -> dict[str, list[float]]:
        """Returns {"mean": [...], "std": [...]}, as stores and torchvision write it."""
        return {"mean": list(self.mean), "std": list(self.std)}


PIXELS = Space((0.0,), (1.0,))


class Affine(NamedTuple):
    """value = scale * stored + zero, per channel.

    Attributes:
        scale: (C,) float64.
        zero: (C,) float64.
    """

    scale: npt.NDArray[np.float64]
    zero: npt.NDArray[np.float64]


def parse_normalization(
    option: object, num_channels: int, word: str = "stored"
) -> Literal["stored"] | Space | None:
    """Checks the option `normalization` of a dataset.

    Args:
        option: `word`; None; (mean, std) with a number, or C numbers, each; or these as {"mean", "std"}.
        num_channels: C.
        word: what stands for the dataset's own normalisation; returned as "stored".

    Raises:
        SettingsError: it is none of these, or a std is not above 0.
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
        raise SettingsError(f"{rule}; numbers must be finite and std above 0, got {option!r}")
    return Space(tuple(numbers[0].tolist()), tuple(numbers[1].tolist()))


def stored_space(normalization: Mapping[str, Sequence[float]] | None) -> Space | None:
    """Returns the space of a store's values; None for pixels, which is also how no normalization reads."""
    if normalization is None:
        return None
    return Space(tuple(normalization["mean"]), tuple(normalization["std"]))


def affine_between(stored: Space | None, wanted: Space | None) -> Affine | None:
    """Returns the step from one space to another, or None where they are the same."""
    if stored == wanted:
        return None
    stored_mean, stored_std = np.asarray(stored or PIXELS)
    wanted_mean, wanted_std = np.asarray(wanted or PIXELS)
    return Affine(stored_std / wanted_std, (stored_mean - wanted_mean) / wanted_std)
