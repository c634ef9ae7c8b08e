"""torch's DataLoader uses batches as they were rebuilt, and all other uses of the items work."""

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, default_collate

from dfs_store import DFSDataset
from tests.loaders.stores import write_store


@pytest.fixture
def dataset(store_path):
    return DFSDataset(store_path)


def expected_clips(dataset, numbers):
    return torch.stack([dataset[number][0] for number in numbers])


def test_the_default_collate_uses_the_rebuilt_batch(dataset):
    items = dataset.__getitems__([4, 1, 6])
    clips, labels = default_collate(items)
    assert type(clips) is Tensor
    assert clips.is_contiguous()
    assert clips.data_ptr() == items[0][0].data_ptr()
    assert torch.equal(clips, expected_clips(dataset, [4, 1, 6]))
    assert labels.tolist() == [dataset.targets[number] for number in (4, 1, 6)]


@pytest.mark.parametrize("order", [[2, 1, 0], [1, 2], [0, 0], [0, 2]])
def test_items_in_a_different_order_are_stacked(dataset, order):
    items = dataset.__getitems__([4, 1, 6])
    clips, _ = default_collate([items[number] for number in order])
    assert type(clips) is Tensor
    assert torch.equal(clips, expected_clips(dataset, [[4, 1, 6][number] for number in order]))
    clips.zero_()  # the items do not change, since this is a copy
    assert torch.equal(items[0][0], dataset[4][0])


def test_items_from_two_calls_are_stacked(dataset):
    clips, _ = default_collate([*dataset.__getitems__([4]), *dataset.__getitems__([1])])
    assert torch.equal(clips, expected_clips(dataset, [4, 1]))


def test_a_single_item_is_a_plain_tensor(dataset):
    assert type(dataset[0][0]) is Tensor


def test_operations_on_a_batch_item_return_plain_tensors(dataset):
    clip = dataset.__getitems__([4, 1])[1][0]
    assert isinstance(clip, Tensor)
    for made in (clip + 1, clip.flip(0), clip.double(), torch.stack([clip]), clip.clone(), clip[0]):
        assert type(made) is Tensor
    expected = dataset[1][0]
    saved = io.BytesIO()
    torch.save(clip, saved)
    saved.seek(0)
    for again in (copy.copy(clip), copy.deepcopy(clip), pickle.loads(pickle.dumps(clip))):
        assert torch.equal(again, expected)
    assert torch.equal(torch.load(saved, weights_only=True), expected)


def test_items_can_be_parameters_and_require_gradients(dataset):
    parameter = torch.nn.Parameter(dataset.__getitems__([4])[0][0])
    assert isinstance(parameter, torch.nn.Parameter)
    parameter.square().sum().backward()
    assert torch.equal(parameter.grad, 2 * dataset[4][0])
    items = dataset.__getitems__([4, 1])
    for clip, _ in items:
        clip.requires_grad_()
    clips, _ = default_collate(items)
    clips.sum().backward()
    assert all(torch.equal(clip.grad, torch.ones_like(clip)) for clip, _ in items)


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_custom_collate_function_receives_the_items(dataset, num_workers):
    loader = DataLoader(dataset, 2, collate_fn=list, num_workers=num_workers)
    items = [item for batch in loader for item in batch]
    assert torch.equal(torch.stack([clip for clip, _ in items]), expected_clips(dataset, range(7)))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_kept_batches_never_change(dataset, num_workers):
    loader = DataLoader(dataset, 2, num_workers=num_workers)
    kept = [clips for _ in range(3) for clips, _ in loader]
    expected = expected_clips(dataset, range(7)).split(2)
    for number, clips in enumerate(kept):
        assert torch.equal(clips, expected[number % len(expected)])


def test_batches_can_be_differentiated_and_modified(dataset):
    with torch.inference_mode():
        clips, _ = next(iter(DataLoader(dataset, 2)))
    assert not clips.is_inference()
    weight = torch.ones((), requires_grad=True)
    (weight * clips).sum().backward()
    clips.mul_(2)
    assert torch.equal(clips, 2 * expected_clips(dataset, [0, 1]))


def test_memory_is_reused(dataset):
    addresses = set()
    for _ in range(3):
        addresses.update(clips.data_ptr() for clips, _ in DataLoader(dataset, 2))
    assert len(addresses) <= 3


def test_transformed_clips_are_stacked(store_path):
    dataset = DFSDataset(store_path, transform=lambda video: video[:, :, ::2])
    clips, _ = next(iter(DataLoader(dataset, 3)))
    assert torch.equal(clips, expected_clips(dataset, range(3)))


def test_clips_of_two_datasets_in_one_batch(tmp_path, dataset):
    other = DFSDataset(write_store(tmp_path / "other.h5", seed=1))
    clips, _ = next(iter(DataLoader(ConcatDataset([dataset, other]), 9)))
    assert torch.equal(clips, torch.cat([expected_clips(dataset, range(7)), expected_clips(other, range(2))]))


def test_threads_sharing_a_dataset_use_separate_memory(dataset):
    expected = expected_clips(dataset, range(7))

    def ask(seed):
        order = torch.randperm(7, generator=torch.Generator().manual_seed(seed)).tolist()
        for _ in range(30):
            clips, _ = default_collate(dataset.__getitems__(order))
            if not all(
                torch.equal(clip, expected[number]) for clip, number in zip(clips, order, strict=True)
            ):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
