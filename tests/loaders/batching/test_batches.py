"""Rebuilding a batch clip by clip or in one product gives the same clips."""

import numpy as np
import pytest
import torch

from dfs_store import DFSDataset
from dfs_store.loaders.batching.buffers import Workspace
from tests.loaders.stores import write_store

CLIPS = np.array([3, 0, 6, 2, 2])
MIRRORED = np.array([False, True, False, True, False])


@pytest.fixture(params=["float32", "float16", "uint8"])
def path(request, tmp_path):
    return write_store(tmp_path / "store.zarr", dtype=request.param)


def rebuilt(dataset, way, dtype=torch.float32, mirrored=None):
    rebuilder = dataset.rebuilder(torch.device("cpu"), dataset.key_frame_table)
    out = torch.full((len(CLIPS), *rebuilder.clip_shape), torch.nan, dtype=dtype)
    return getattr(rebuilder, way)(rebuilder.choose(CLIPS, mirrored=mirrored), out, Workspace())


@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("mirrored", [None, MIRRORED])
@pytest.mark.parametrize("num_frames", [None, 5])
def test_both_ways_agree(path, layout, in_memory, mirrored, num_frames):
    dataset = DFSDataset(path, layout=layout, in_memory=in_memory, num_frames=num_frames)
    one_by_one = rebuilt(dataset, "one_by_one", mirrored=mirrored)
    at_once = rebuilt(dataset, "at_once", mirrored=mirrored)
    torch.testing.assert_close(at_once, one_by_one, rtol=0, atol=2e-6)


@pytest.mark.parametrize("way", ["one_by_one", "at_once"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_both_ways_write_every_floating_dtype(path, way, dtype):
    dataset = DFSDataset(path)
    expected = torch.stack([dataset[clip][0] for clip in CLIPS.tolist()]).double()
    found = rebuilt(dataset, way, dtype).double()
    # `at_once` rounds the weights and key frames to the dtype as well.
    limit = 4 * max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps) * expected.abs().max()
    assert (found - expected).abs().max() <= limit


@pytest.mark.parametrize("way", ["one_by_one", "at_once"])
def test_mirrored_clips_are_flipped_horizontally(path, way):
    dataset = DFSDataset(path)
    plain = rebuilt(dataset, way)
    turned = rebuilt(dataset, way, mirrored=MIRRORED)
    for clip, other, mirrored in zip(turned, plain, MIRRORED, strict=True):
        assert torch.equal(clip, other.flip(-1) if mirrored else other)


def test_a_batch_rebuilt_clip_by_clip_equals_its_items_bit_for_bit(path):
    dataset = DFSDataset(path)
    found = rebuilt(dataset, "one_by_one")
    assert torch.equal(found, torch.stack([dataset[clip][0] for clip in CLIPS.tolist()]))


def test_products_ignore_the_callers_precision_settings(path):
    dataset = DFSDataset(path)
    expected = rebuilt(dataset, "at_once")
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(rebuilt(dataset, "at_once"), expected)
    finally:
        torch.set_float32_matmul_precision("highest")
