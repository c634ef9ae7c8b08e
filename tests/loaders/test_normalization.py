"""The option `normalization`: values as stored, as pixels, or in a different space."""

import pytest
import torch

from dfs_store import DFSDataset
from dfs_store.errors import SettingsError
from tests.loaders.stores import IMAGENET, write_store

KINETICS = ([0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989])


def column(numbers):
    return torch.tensor(numbers).reshape(-1, 1, 1, 1)


@pytest.fixture(params=["float32", "float16", "uint8"])
def path(request, tmp_path):
    return write_store(tmp_path / "store.zarr", dtype=request.param)


@pytest.mark.parametrize("in_memory", [True, False])
def test_none_converts_values_to_pixels_without_clamping(path, in_memory):
    stored, pixels = DFSDataset(path), DFSDataset(path, normalization=None, in_memory=in_memory)
    assert pixels.normalization is None
    for (values, _), (clip, _) in zip(stored, pixels, strict=True):
        expected = values * column(IMAGENET["std"]) + column(IMAGENET["mean"])
        torch.testing.assert_close(clip, expected, rtol=0, atol=1e-6)
    assert min(clip.min() for clip, _ in pixels) < 0


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_pair_normalises_with_it(path, in_memory):
    pixels = DFSDataset(path, normalization=None)
    other = DFSDataset(path, normalization=KINETICS, in_memory=in_memory)
    assert other.normalization == {"mean": KINETICS[0], "std": KINETICS[1]}
    for (values, _), (clip, _) in zip(pixels, other, strict=True):
        expected = (values - column(KINETICS[0])) / column(KINETICS[1])
        torch.testing.assert_close(clip, expected, rtol=0, atol=1e-5)


def test_the_stores_own_normalization_changes_nothing(path):
    own = (IMAGENET["mean"], IMAGENET["std"])
    for (values, _), (clip, _) in zip(DFSDataset(path), DFSDataset(path, normalization=own), strict=True):
        assert torch.equal(values, clip)


def test_a_single_number_applies_to_all_channels(store_path):
    assert DFSDataset(store_path, normalization=(0.5, 0.25)).normalization == {
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }


def test_a_store_without_normalization_contains_pixels(tmp_path):
    path = write_store(tmp_path / "pixels.zarr", normalization=None)
    stored = DFSDataset(path)
    assert stored.normalization is None
    assert torch.equal(stored[1][0], DFSDataset(path, normalization=None)[1][0])
    expected = (stored[1][0] - column(IMAGENET["mean"])) / column(IMAGENET["std"])
    found = DFSDataset(path, normalization=(IMAGENET["mean"], IMAGENET["std"]))[1][0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("imagenet", "got 'imagenet'"),
        (0.5, r"got 0\.5"),
        (([0.5, 0.5], [0.2, 0.2]), "with 3 numbers each"),
        ((0.5, 0.0), r"std must be positive, got \(0\.5, 0\.0\)"),
        ((float("nan"), 1.0), "must be finite"),
        ((0.5,), "pair"),
        (("a", "b"), "pair"),
    ],
)
def test_invalid_normalizations_are_refused(store_path, option, said):
    with pytest.raises(SettingsError, match=said):
        DFSDataset(store_path, normalization=option)
