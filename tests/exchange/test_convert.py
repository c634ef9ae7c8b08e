"""Conversions measure the error of the copy."""

import numpy as np
import pytest

from dfs_store.exchange import convert_store
from dfs_store.format import open_store
from dfs_store.format.quantization import error_bound
from tests.format.making import CONTAINERS, content

STD = np.array([0.5, 2.0])  # of tests.format.making.content


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_the_error_matches_the_copied_key_frames(tmp_path, container, dtype):
    content().write(tmp_path / "a.zarr")
    done = convert_store(tmp_path / "a.zarr", tmp_path / f"b.{container}", dtype=dtype)
    before, after = open_store(tmp_path / "a.zarr"), open_store(tmp_path / f"b.{container}")
    pairs = [(before.key_frames(clip), after.key_frames(clip)) for clip in range(len(before))]
    errors = np.concatenate([new.astype(np.float64) - old for old, new in pairs])
    assert done.error.largest == np.abs(errors).max() > 0
    assert done.error.root_mean_square == pytest.approx(np.sqrt(np.mean(errors**2)))
    grey = errors * STD[:, None, None] * 255
    assert done.error.largest_grey_levels == pytest.approx(np.abs(grey).max())
    assert done.error.root_mean_square_grey_levels == pytest.approx(np.sqrt(np.mean(grey**2)))
    assert done.error.unit == "standard deviations"
    assert done.error.largest <= max(error_bound(old, dtype).max() for old, _ in pairs)
    assert [report.key_frame_bytes for report in done.storage] == [
        report.key_frame_bytes for report in (before.storage, after.storage)
    ]


def test_a_store_converted_in_place_is_compared_with_its_old_contents(tmp_path):
    for name in ("a.zarr", "b.zarr"):
        content().write(tmp_path / name)
    beside = convert_store(tmp_path / "a.zarr", tmp_path / "c.zarr", dtype="uint8")
    in_place = convert_store(tmp_path / "b.zarr", tmp_path / "b.zarr", dtype="uint8", overwrite=True)
    assert in_place.error == beside.error
    assert open_store(tmp_path / "b.zarr").dtype == "uint8"


def test_a_subset_is_compared_with_its_own_clips(tmp_path):
    content().write(tmp_path / "a.zarr")
    done = convert_store(tmp_path / "a.zarr", tmp_path / "b.h5", dtype="float16", classes=["right"])
    assert done.num_clips == (4, 2)
    assert 0 < done.error.largest < 0.01  # compared with the wrong clips, it would be about 3


def test_copies_with_the_same_or_a_wider_dtype_are_exact(tmp_path):
    content("float16").write(tmp_path / "a.zarr")
    assert convert_store(tmp_path / "a.zarr", tmp_path / "b.h5").error is None
    wider = convert_store(tmp_path / "a.zarr", tmp_path / "c.h5", dtype="float32")
    assert wider.error.largest == wider.error.root_mean_square == 0


def test_without_normalization_the_unit_is_the_pixel(tmp_path):
    stored = content()
    stored.attributes["normalization"] = None
    stored.write(tmp_path / "a.zarr")
    error = convert_store(tmp_path / "a.zarr", tmp_path / "b.zarr", dtype="float16").error
    assert error.unit == "pixels in [0, 1]"
    assert error.largest_grey_levels == error.largest * 255
