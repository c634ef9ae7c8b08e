"""Which axis of an array of clips is what: found where only one reading makes sense, asked for otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError, UnreadableClipsError

__all__ = ["LAYOUTS", "Layout", "find_layout"]

# How one clip of each layout becomes (T, C, H, W).
LAYOUTS = {"NTCHW": (0, 1, 2, 3), "NCTHW": (1, 0, 2, 3), "NTHWC": (0, 3, 1, 2)}
_CHANNELS = (1, 3)  # what auto takes for channels


@dataclass(frozen=True)
class Layout:
    """How the axes of N clips are read.

    Attributes:
        name: a key of `LAYOUTS`.
        num_frames: T.
        frame_shape: (C, H, W).
    """

    name: str
    num_frames: int
    frame_shape: tuple[int, int, int]

    def clip(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Returns one clip of the array as (T, C, H, W), a view."""
        return array.transpose(LAYOUTS[self.name])


def find_layout(shape: Sequence[int], asked: str, what: str) -> Layout:
    """Returns the layout of an array of clips.

    Args:
        shape: (N, ., ., ., .) of the array.
        asked: a key of `LAYOUTS`, or "auto": the layout whose channels are 1 or 3, if there is
            just one: an axis of one frame may as well be the channels.
        what: the array in words, for errors.

    Raises:
        SettingsError: more than one layout fits, or none, or no such layout; or a clip has one frame.
        UnreadableClipsError: the array has not five axes, or no clip or frame.
    """
    if asked != "auto" and asked not in LAYOUTS:
        raise SettingsError(f"--layout must be auto, {', '.join(LAYOUTS)}, got {asked!r}")
    if len(shape) != 5 or 0 in shape:
        raise UnreadableClipsError(
            f"{what} has the shape {tuple(shape)}; clips are (N, T, C, H, W) or (N, C, T, H, W), no side 0"
        )
    readings = {name: _read(name, shape) for name in LAYOUTS}
    fitting = [each for each in readings.values() if each.frame_shape[0] in _CHANNELS]
    if asked != "auto" or len(fitting) == 1:
        return _moving(readings[asked] if asked != "auto" else fitting[0], what)
    could = "; ".join(
        f"--layout {each.name} ({each.num_frames} frames of {'x'.join(map(str, each.frame_shape))})"
        for each in fitting or readings.values()
    )
    why = "more than one axis could be the channels" if fitting else "no axis of 1 or 3 could be the channels"
    raise SettingsError(f"{what} has the shape {tuple(shape)}, and {why}; say which it is: {could}")


def _moving(layout: Layout, what: str) -> Layout:
    if layout.num_frames > 1:
        return layout
    repeats = ["1"] * 5
    repeats[1 + LAYOUTS[layout.name][0]] = "16"
    raise SettingsError(
        f"{what} has one frame per clip under --layout {layout.name}, and a store's clips have at least "
        f"two. For still clips save clips.repeat({', '.join(repeats)}), and import them with --layout "
        f"{layout.name} --key-frames 1, which stores one frame of each"
    )


def _read(name: str, shape: Sequence[int]) -> Layout:
    num_frames, *frame = (shape[1:][axis] for axis in LAYOUTS[name])
    channels, height, width = frame
    return Layout(name, num_frames, (channels, height, width))
