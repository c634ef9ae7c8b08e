"""Every way of loading on a pretended GPU gives the same clips as the CPU, and never mixes devices.

A `batch_transform` is left out: its clips are tv_tensors, and a tensor cannot be of two subclasses.
"""

import pytest
import torch
from torch.utils.data import DataLoader

from dfs_store import DFSDataset, DFSLoader, StoreWriter, interpolate
from dfs_store.loaders.batching.fused import fused_rebuild
from tests.loaders.stores import assert_same, write_store

# The kernel cannot run without a GPU, so plain torch is used, with a warning.
pytestmark = pytest.mark.filterwarnings("ignore:the fused kernel that rebuilds clips:RuntimeWarning")


@pytest.fixture(autouse=True)
def forget_the_kernel():
    fused_rebuild.cache_clear()
    yield
    fused_rebuild.cache_clear()


@pytest.mark.parametrize("stored", ["float32", "float16", "uint8", "webp"])
@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_batches_equal_those_on_the_cpu(tmp_path, work, stored, layout, in_memory):
    path = write_store(
        tmp_path / "s.zarr",
        dtype=stored,
        encoding="webp:80" if stored == "webp" else None,
        frame_shape=(3, 8, 8),
    )
    dataset = DFSDataset(path, layout=layout, in_memory=in_memory, num_frames=5)
    options = {"shuffle": True, "horizontal_flip": 0.5}
    here = DFSLoader(dataset, 3, **options)
    there = DFSLoader(dataset, 3, device="cuda", **options)
    for (clips, labels), (expected, expected_labels) in zip(there, here, strict=True):
        assert clips.device.type == labels.device.type == "cuda"
        assert_same(clips.cpu(), expected)
        assert torch.equal(labels.cpu(), expected_labels)
    assert work.in_any_order == {}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(tmp_path, work, dtype):
    dataset = DFSDataset(write_store(tmp_path / "s.zarr"))
    expected = torch.cat([clips for clips, _ in DFSLoader(dataset, 3)])
    found = torch.cat([clips.cpu() for clips, _ in DFSLoader(dataset, 3, device="cuda", dtype=dtype)])
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_packed_batches(tmp_path, work, num_workers):
    dataset = DFSDataset(write_store(tmp_path / "s.zarr", dtype="uint8"), in_memory=False)
    packed = dataset.packed(device="cuda")
    for batch, (expected, labels) in zip(
        DataLoader(packed, 3, num_workers=num_workers), DFSLoader(dataset, 3), strict=True
    ):
        for each in (batch, batch.pin_memory()):
            clips, found = packed.rebuild(each)
            assert clips.device.type == found.device.type == "cuda"
            assert_same(clips.cpu(), expected)
            assert found.cpu().tolist() == labels.tolist()


def test_soft_labels_and_joined_stores(tmp_path, work):
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"{number}.zarr")
        with StoreWriter(paths[-1], num_frames=3, frame_shape=(3, 4, 4), class_names=["a", "b"]) as writer:
            frames = torch.full((2, 3, 4, 4), float(number)).numpy()
            writer.append(frames, [0, 2], number, soft_label=[0.25, 0.75])
    dataset = DFSDataset(paths, target="soft")
    ((clips, labels),) = DFSLoader(dataset, 2, device="cuda")
    assert clips.cpu()[:, 0, 0, 0, 0].tolist() == [0.0, 1.0]
    assert labels.cpu().tolist() == [[0.25, 0.75]] * 2


def test_interpolation_and_its_gradient(work):
    keys = torch.randn(2, 3, 3, 4, 4)
    wanted = keys.clone().requires_grad_()
    interpolate(wanted, [0, 2, 6], 7).square().sum().backward()
    given = keys.to("cuda").requires_grad_()
    clips = interpolate(given, [0, 2, 6], 7)
    clips.square().sum().backward()
    assert_same(clips.detach().cpu(), interpolate(keys, [0, 2, 6], 7))
    torch.testing.assert_close(given.grad.cpu(), wanted.grad)
