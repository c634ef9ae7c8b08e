"""Layouts are detected if they are unambiguous, and must be set otherwise."""

import numpy as np
import pytest

from dfs_store.errors import SettingsError, UnreadableClipsError
from dfs_store.exchange.imports.layout import LAYOUTS, find_layout


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((2, 16, 3, 8, 9), "NTCHW"),
        ((2, 3, 16, 8, 9), "NCTHW"),
        ((2, 16, 8, 9, 3), "NTHWC"),
        ((2, 1, 16, 8, 9), "NCTHW"),
    ],
)
def test_an_unambiguous_layout_is_detected(shape, name):
    found = find_layout(shape, "auto", "clips")
    assert found.name == name
    clip = np.zeros(shape, np.uint8)[0]
    assert found.clip(clip).shape == (found.num_frames, *found.frame_shape)
    assert {found.num_frames, *found.frame_shape} == set(shape[1:])


@pytest.mark.parametrize("shape", [(2, 3, 3, 8, 9), (2, 16, 3, 8, 3), (2, 5, 7, 8, 9)])
def test_an_ambiguous_or_unknown_layout_must_be_set(shape):
    with pytest.raises(SettingsError, match=r"--layout NTCHW \(") as refused:
        find_layout(shape, "auto", "clips")
    assert "--layout N" in str(refused.value).partition("--layout NTCHW")[2]
    for name in LAYOUTS:
        assert find_layout(shape, name, "clips").name == name


def test_invalid_shapes_and_layouts_are_rejected():
    with pytest.raises(UnreadableClipsError, match=r"\(N, T, C, H, W\)"):
        find_layout((2, 3, 8, 9), "auto", "clips")
    with pytest.raises(UnreadableClipsError, match="without empty axes"):
        find_layout((0, 16, 3, 8, 9), "NTCHW", "clips")
    with pytest.raises(SettingsError, match="auto, NTCHW"):
        find_layout((2, 16, 3, 8, 9), "TCHW", "clips")
