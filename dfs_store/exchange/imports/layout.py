"""Detects the order of the axes in an array of clips. If it is ambiguous, the user must set it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError, UnreadableClipsError
from dfs_store.names import known_name

__all__ = ["LAYOUTS", "Layout", "find_layout"]

# For each layout, the permutation of a clip's axes to (T, C, H, W).
LAYOUTS = {"NTCHW": (0, 1, 2, 3), "NCTHW": (1, 0, 2, 3), "NTHWC": (0, 3, 1, 2)}
_CHANNELS = (1, 3)  # the numbers of channels that "auto" considers


@dataclass(frozen=True)
class Layout:
    """The order of the axes in an array of N clips.

    Attributes:
        name: a key of `LAYOUTS`.
        num_frames: T, the number of frames per clip.
        frame_shape: (C, H, W).
    """

    name: str
    num_frames: int
    frame_shape: tuple[int, int, int]

    def clip(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Returns a view of a clip as (T, C, H, W)."""
        return array.transpose(LAYOUTS[self.name])


def find_layout(shape: Sequence[int], asked: str, what: str) -> Layout:
    """Returns the layout of an array of clips.

    Args:
        shape: shape of the array, N first.
        asked: a key of `LAYOUTS`, or "auto" for the only layout with 1 or 3 channels.
        what: description of the array for error messages.

    Raises:
        SettingsError: no layout fits, several layouts fit, the layout is unknown, or clips have only one
            frame.
        UnreadableClipsError: the array does not have five axes, or is empty.
    """
    known_name(asked, ("auto", *LAYOUTS), "--layout")
    if len(shape) != 5 or 0 in shape:
        raise UnreadableClipsError(
            f"{what} has shape {tuple(shape)}, but clips must have shape (N, T, C, H, W) or (N, C, T, H, W), "
            "without empty axes"
        )
    readings = {name: _read(name, shape) for name in LAYOUTS}
    fitting = [each for each in readings.values() if each.frame_shape[0] in _CHANNELS]
    if asked != "auto" or len(fitting) == 1:
        return _moving(readings[asked] if asked != "auto" else fitting[0], what)
    choices = ", or ".join(
        f"--layout {each.name} ({each.num_frames} frames of {'x'.join(map(str, each.frame_shape))})"
        for each in fitting or readings.values()
    )
    why = (
        "more than one axis can be the channels" if fitting else "no axis has 1 or 3 elements, as channels do"
    )
    raise SettingsError(f"{what} has shape {tuple(shape)}, but {why}; use {choices}")


def _moving(layout: Layout, what: str) -> Layout:
    if layout.num_frames > 1:
        return layout
    repeats = ["1"] * 5
    repeats[1 + LAYOUTS[layout.name][0]] = "16"
    raise SettingsError(
        f"{what} has one frame per clip with --layout {layout.name}, but clips must have at least two. For "
        f"still clips, save clips.repeat({', '.join(repeats)}) and import the result with --layout "
        f"{layout.name} --key-frames 1, which stores one frame per clip"
    )


def _read(name: str, shape: Sequence[int]) -> Layout:
    num_frames, *frame = (shape[1:][axis] for axis in LAYOUTS[name])
    channels, height, width = frame
    return Layout(name, num_frames, (channels, height, width))
