"""DFSLoader: batches, orders, flips, dtypes, transforms and errors."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.tv_tensors import Video

from dfs_store import DFSDataset, DFSLoader
from dfs_store.errors import SettingsError
from tests.loaders.stores import assert_same, write_store


@pytest.fixture
def dataset(store_path):
    return DFSDataset(store_path)


def labels_of(loader):
    return torch.cat([labels for _, labels in loader]).tolist()


@pytest.mark.parametrize("stored", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("dtype", [None, torch.float64, torch.bfloat16, torch.float16])
def test_batches_equal_the_items_in_order(tmp_path, stored, in_memory, dtype):
    dataset = DFSDataset(write_store(tmp_path / "store.zarr", dtype=stored), in_memory=in_memory)
    loader = DFSLoader(dataset, 3, dtype=dtype)
    assert len(loader) == 3
    batches = list(loader)
    assert [len(clips) for clips, _ in batches] == [3, 3, 1]
    clips, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert clips.dtype == (dtype or torch.float32)
    assert labels.dtype == torch.int64
    assert labels.tolist() == dataset.targets
    expected = torch.stack([clip for clip, _ in dataset])
    limit = 2 * max(torch.finfo(clips.dtype).eps, torch.finfo(torch.float32).eps) * expected.abs().max()
    assert (clips.double() - expected.double()).abs().max() <= limit
    assert dtype is not None or torch.equal(clips, expected)


@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
def test_layout_resolution_and_space_are_taken_from_the_dataset(store_path, layout):
    dataset = DFSDataset(store_path, layout=layout, num_frames=11, normalization=None)
    clips, _ = next(iter(DFSLoader(dataset, 7)))
    assert_same(clips, torch.stack([clip for clip, _ in dataset]))
    assert clips.is_contiguous()


def test_key_frames_stay_exact_with_reduced_precision_products(dataset):
    expected = next(iter(DFSLoader(dataset, 7)))[0].clone()
    before = torch.backends.mkldnn.matmul.fp32_precision
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            clips = next(iter(DFSLoader(dataset, 7)))[0]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert before in ("none", "ieee")
    assert torch.equal(clips, expected)


def test_torchs_default_device_and_dtype_are_ignored(dataset):
    expected = next(iter(DFSLoader(dataset, 7)))[0].clone()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            clips = next(iter(DFSLoader(dataset, 7)))[0]
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(clips, expected)


def test_shuffling_covers_every_clip_and_changes_with_epoch_and_seed(tmp_path):
    names = [str(number) for number in range(40)]
    dataset = DFSDataset(write_store(tmp_path / "many.zarr", counts=[2] * 40, class_names=names))
    loader = DFSLoader(dataset, 7, shuffle=True, seed=3)
    first, second = (labels_of(loader) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert first != list(range(40))
    same = DFSLoader(dataset, 7, shuffle=True, seed=3)
    assert labels_of(same) == first
    assert labels_of(DFSLoader(dataset, 7, shuffle=True, seed=4)) != first
    for clips, labels in same:
        assert_same(clips, torch.stack([dataset[label][0] for label in labels.tolist()]))


def test_drop_last(dataset):
    loader = DFSLoader(dataset, 3, drop_last=True)
    assert len(loader) == len(list(loader)) == 2
    with pytest.raises(
        SettingsError, match="drop_last leaves no batch: batch_size is 8, but a replica has only"
    ):
        DFSLoader(dataset, 8, drop_last=True)


def test_flips_are_drawn_per_clip_and_epoch_and_are_reproducible(dataset):
    plain = torch.stack([clip for clip, _ in dataset])

    def flips(**options):
        loader = DFSLoader(dataset, options.pop("batch_size", 3), horizontal_flip=0.5, **options)
        found = []
        for _ in range(4):
            clips = torch.cat([clips.clone() for clips, _ in loader])
            turned = [
                torch.allclose(clip, other.flip(-1), atol=1e-5)
                for clip, other in zip(clips, plain, strict=True)
            ]
            same = [torch.allclose(clip, other, atol=1e-5) for clip, other in zip(clips, plain, strict=True)]
            assert all(one != other for one, other in zip(turned, same, strict=True))
            found.append(turned)
        return found

    first = flips()
    assert flips() == first
    assert flips(batch_size=5) == first
    assert flips(seed=1) != first
    assert len({tuple(epoch) for epoch in first}) > 1
    assert 0 < sum(map(sum, first)) < 28


def test_a_flip_probability_of_1_flips_every_clip(dataset):
    clips, _ = next(iter(DFSLoader(dataset, 7, horizontal_flip=1)))
    assert_same(clips, torch.stack([clip for clip, _ in dataset]).flip(-1))


@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
def test_batch_transform_receives_a_video_and_labels(store_path, layout):
    dataset = DFSDataset(store_path, layout=layout)
    seen = []

    def transform(clips, labels):
        seen.append((type(clips), clips.shape))
        return clips[:, :4] * 2, labels + 1

    clips, labels = next(iter(DFSLoader(dataset, 4, batch_transform=transform)))
    assert seen == [(Video, (4, 8, 3, 6, 5))]
    assert type(clips) is torch.Tensor
    expected = torch.stack([dataset[number][0] for number in range(4)]) * 2
    assert_same(clips, expected[:, :, :4] if layout == "CTHW" else expected[:, :4])
    assert labels.tolist() == [1, 2, 3, 1]


def test_batch_transform_can_be_torchvisions_mixup(dataset):
    clips, labels = next(iter(DFSLoader(dataset, 4, batch_transform=v2.MixUp(num_classes=3))))
    assert clips.shape == (4, 3, 8, 6, 5)
    assert labels.shape == (4, 3)
    assert not torch.equal(clips, next(iter(DFSLoader(dataset, 4)))[0])


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (lambda clips, labels: clips, r"must return \(clips, labels\), got Video"),
        (lambda clips, labels: (clips[0], labels), r"shape \(B, T, C, H, W\), got shape \(8, 3, 6, 5\)"),
    ],
)
def test_a_batch_transform_must_return_a_batch(dataset, transform, said):
    with pytest.raises(SettingsError, match=said):
        next(iter(DFSLoader(dataset, 4, batch_transform=transform)))


def test_a_per_clip_transform_is_refused_by_name(store_path):
    dataset = DFSDataset(store_path, transform=v2.RandomHorizontalFlip())
    with pytest.raises(SettingsError, match=r"per-clip transform \(RandomHorizontalFlip.*batch_transform"):
        DFSLoader(dataset, 4)


def test_target_transform_is_called_once_per_class(store_path):
    asked = []
    dataset = DFSDataset(store_path, target_transform=lambda label: asked.append(label) or 10 - label)
    loader = DFSLoader(dataset, 7)
    assert labels_of(loader) == [10, 9, 8, 10, 9, 8, 10]
    assert asked == [0, 1, 2]


def test_target_transform_must_return_whole_numbers(store_path):
    with pytest.raises(SettingsError, match=r"target_transform\(0\).*whole number, got '0'"):
        DFSLoader(DFSDataset(store_path, target_transform=str), 7)


def test_concurrent_passes_are_independent(dataset):
    loader = DFSLoader(dataset, 2)
    for (one, _), (other, _) in zip(loader, loader, strict=True):
        assert one.data_ptr() != other.data_ptr()
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.0}, r"batch_size .* got 2\.0"),
        ({"batch_size": True}, "batch_size .* got True"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"horizontal_flip": 1.5}, r"horizontal_flip must be a probability in \[0, 1\], got 1\.5"),
        ({"horizontal_flip": "often"}, "horizontal_flip .* got 'often'"),
        ({"horizontal_flip": float("nan")}, "horizontal_flip .* got nan"),
        ({"dtype": torch.uint8}, r"dtype .* got torch\.uint8"),
        ({"dtype": "float32"}, "dtype .* got 'float32'"),
        ({"device": "abacus"}, "device .* got 'abacus'"),
        ({"num_replicas": 2}, "together or not at all, got 2 and None"),
        ({"num_replicas": 2, "rank": 2}, r"0\.\.1, got 2"),
        ({"num_replicas": 0, "rank": 0}, "num_replicas .* got 0"),
    ],
)
def test_invalid_options_are_refused_with_their_values(dataset, options, said):
    with pytest.raises(SettingsError, match=said):
        DFSLoader(dataset, **{"batch_size": 2, **options})


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_unavailable_device_is_refused(dataset):
    with pytest.raises(SettingsError, match=r"device .* got 'cuda'"):
        DFSLoader(dataset, 2, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_cuda_batches_equal_the_items(store_path, dtype):
    for in_memory in (True, False):
        dataset = DFSDataset(store_path, in_memory=in_memory)
        clips, labels = next(iter(DFSLoader(dataset, 7, device="cuda", dtype=dtype)))
        expected = torch.stack([clip for clip, _ in dataset])
        assert clips.device.type == labels.device.type == "cuda"
        limit = 2 * torch.finfo(dtype).eps * expected.abs().max()
        assert (clips.cpu().double() - expected.double()).abs().max() <= limit


def test_other_types_of_dataset_are_refused(store_path):
    with pytest.raises(SettingsError, match=r"dataset must be a DFSDataset, got PosixPath"):
        DFSLoader(store_path, 2)


def test_numpy_numbers_are_accepted(dataset):
    assert len(DFSLoader(dataset, np.int64(2), seed=np.uint8(3))) == 4
