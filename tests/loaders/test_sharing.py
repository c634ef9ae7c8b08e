"""One loader used in several threads and modes gives independent batches."""

import threading

import pytest
import torch

from dfs_store import DFSDataset, DFSLoader
from dfs_store.loaders.batching.buffers import BatchBuffers
from tests.loaders.stores import write_store


@pytest.fixture
def dataset(tmp_path):
    return DFSDataset(write_store(tmp_path / "store.zarr", dtype="uint8"))


def test_threads_share_a_loader_and_a_packed_dataset(dataset):
    loader, packed = DFSLoader(dataset, 3), dataset.packed()
    expected = [clips.clone() for clips, _ in loader]
    batch = packed.__getitems__([0, 1, 2])[0]
    wrong = []

    def read():
        for _ in range(60):
            wrong.extend(
                not torch.equal(clips, want) for (clips, _), want in zip(loader, expected, strict=True)
            )
            wrong.append(not torch.equal(packed.rebuild(batch)[0], expected[0]))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 3 * 60 * (len(expected) + 1)
    assert not any(wrong)


def test_batches_and_labels_made_in_inference_mode_can_be_trained_on(dataset):
    packed = dataset.packed()
    batch = packed.__getitems__([0, 1, 2])[0]
    with torch.inference_mode():
        made = [next(iter(DFSLoader(dataset, 3))), packed.rebuild(batch)]
    made.append(packed.rebuild(batch))  # its workspace remains usable as well
    for clips, labels in made:
        weight = torch.zeros(clips[0].numel(), len(dataset.classes), requires_grad=True)
        torch.nn.functional.cross_entropy(clips.flatten(1) @ weight, labels).backward()
        assert weight.grad is not None


def test_a_batch_shared_between_two_checks_is_not_reused(monkeypatch):
    buffers = BatchBuffers(torch.device("cpu"), torch.float32)
    held = [buffers.take((4,)).fill_(7)]
    (buffer,) = buffers._buffers
    looks = buffer.is_intact

    def sent_after_the_first_look():
        intact = looks()
        if held:  # another thread sends it to a process and releases it
            held.pop().share_memory_()
        return intact

    monkeypatch.setattr(buffer, "is_intact", sent_after_the_first_look)
    assert not buffers.take((4,)).is_shared()
