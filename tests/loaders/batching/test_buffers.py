"""A batch in use must never change, and the memory of unused batches is reused."""

import copy
import gc
import multiprocessing
import pickle
import weakref

import numpy as np
import pytest
import torch

from dfs_store import DFSDataset, DFSLoader
from dfs_store.loaders.batching.buffers import BatchBuffers, Workspace

CPU = torch.device("cpu")


def graph(batch):
    """Returns only a graph, in which autograd saved the batch for the gradient."""
    weight = torch.ones(batch.shape, requires_grad=True)
    product = (weight * batch).sum()
    return lambda: torch.autograd.grad(product, weight, retain_graph=True)[0].numpy()


def storage(batch):
    kept = batch.untyped_storage()
    shape = batch.shape
    return lambda: torch.empty(0).set_(kept, 0, shape, batch_strides(shape)).numpy()


def batch_strides(shape):
    return torch.empty(shape, device="meta").stride()


# Parts of a batch that a caller may keep, each as a function that reads them later.
WAYS = {
    "the batch": lambda batch: lambda: batch.numpy(),
    "an item": lambda batch: (lambda item: lambda: item.numpy())(batch[0]),
    "a flat view": lambda batch: (lambda flat: lambda: flat.numpy())(batch.flatten()),
    "a detached view": lambda batch: (lambda view: lambda: view.numpy())(batch.detach()[1:]),
    ".data": lambda batch: (lambda data: lambda: data.numpy())(batch.data),
    "a NumPy array": lambda batch: (lambda array: lambda: array)(batch.numpy()),
    "a NumPy view": lambda batch: (lambda array: lambda: array)(batch.numpy()[0, :, ::2]),
    "a memoryview": lambda batch: (lambda view: lambda: np.asarray(view))(memoryview(batch.numpy())),
    "NumPy by DLPack": lambda batch: (lambda array: lambda: array)(np.from_dlpack(batch)),
    "a DLPack tensor": lambda batch: (lambda t: lambda: t.numpy())(torch.from_dlpack(batch)),
    "the storage": storage,
    "a graph": graph,
    "a shallow copy": lambda batch: (lambda t: lambda: t.numpy())(copy.copy(batch)),
    "a parameter": lambda batch: (lambda p: lambda: p.detach().numpy())(torch.nn.Parameter(batch)),
    "other bits": lambda batch: (lambda t: lambda: t.numpy())(batch.view(torch.int32)),
    "shared memory": lambda batch: (lambda t: lambda: t.numpy())(batch.share_memory_()),
}


@pytest.mark.parametrize("way", WAYS)
def test_kept_parts_of_a_batch_never_change(store_path, way):
    loader = DFSLoader(DFSDataset(store_path), 2, shuffle=True, drop_last=True)
    kept, before = [], []
    for _ in range(4):
        for clips, _ in loader:
            kept.append(WAYS[way](clips))
            del clips
            before.append(kept[-1]().copy())
    for read, expected in zip(kept, before, strict=True):
        assert np.array_equal(read(), expected)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "shared memory"])
def test_memory_is_reused_once_nothing_refers_to_it(way):
    buffers = BatchBuffers(CPU, torch.float32)
    batch = buffers.take((2, 3, 4, 5, 5))
    batch.zero_()
    address = batch.data_ptr()
    held = WAYS[way](batch)
    del batch
    assert buffers.take((2, 3, 4, 5, 5)).data_ptr() != address
    del held
    gc.collect()
    again = [buffers.take((2, 3, 4, 5, 5)) for _ in range(2)]
    assert address in [batch.data_ptr() for batch in again]


def test_a_loop_that_keeps_no_batches_uses_two_buffers(store_path):
    loader = DFSLoader(DFSDataset(store_path), 2)
    addresses = set()
    for _ in range(5):
        for clips, _ in loader:
            addresses.add(clips.untyped_storage().data_ptr())
    assert len(addresses) == 2


def test_a_weak_reference_does_not_keep_memory():
    buffers = BatchBuffers(CPU, torch.float32)
    batch = buffers.take((4,))
    address, reference = batch.data_ptr(), weakref.ref(batch)
    del batch
    assert reference() is None
    assert buffers.take((4,)).data_ptr() == address


def test_resized_or_shared_memory_is_not_reused():
    buffers = BatchBuffers(CPU, torch.float32)
    for spoil in (
        lambda t: t.untyped_storage().resize_(0),
        lambda t: t.resize_(4000),
        lambda t: t.share_memory_(),
    ):
        batch = buffers.take((4,))
        spoil(batch)
        del batch
        fresh = buffers.take((4,))
        assert fresh.untyped_storage().nbytes() == 16
        assert not fresh.is_shared()
        fresh.fill_(1)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_batch_sent_to_another_process_does_not_change(store_path):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    loader = DFSLoader(DFSDataset(store_path), 2, drop_last=True)
    batches = iter(loader)
    expected = next(batches)[0].clone()
    queue = torch.multiprocessing.get_context("fork").SimpleQueue()
    process = context.Process(target=_report, args=(queue, theirs))
    process.start()
    queue.put(next(iter(loader))[0])
    assert ours.recv() == "holds it"
    for _ in range(3):
        list(loader)
    ours.send("look")
    assert np.array_equal(pickle.loads(ours.recv_bytes()), expected.numpy())
    process.join(20)
    assert process.exitcode == 0


def _report(queue, connection):
    clips = queue.get()
    connection.send("holds it")
    connection.recv()
    connection.send_bytes(pickle.dumps(clips.numpy()))


def test_in_place_changes_do_not_affect_later_batches(store_path):
    loader = DFSLoader(DFSDataset(store_path), 2, drop_last=True)
    expected = [clips.clone() for clips, _ in loader]
    scale = torch.ones(1, requires_grad=True)
    for _ in range(3):
        for (clips, _), right in zip(loader, expected, strict=True):
            assert torch.equal(clips, right)
            assert not clips.requires_grad
            clips.mul_(scale * torch.nan)
            clips.sum().backward()


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_batches_made_without_gradients_can_require_them_later(store_path, guard):
    loader = DFSLoader(DFSDataset(store_path), 2, drop_last=True)
    with guard():
        first = next(iter(loader))[0]
        item = loader.dataset[0][0]
    for clips, _ in loader:
        weight = torch.ones(1, requires_grad=True)
        (clips * weight).sum().backward()
    for kept in (first, item):
        assert (kept * torch.ones(1, requires_grad=True)).requires_grad


def test_only_a_few_buffers_are_remembered():
    buffers = BatchBuffers(CPU, torch.float32)
    kept = [buffers.take((4,)) for _ in range(100)]
    assert len(buffers._buffers) == 16
    places = {batch.data_ptr() for batch in kept}
    assert len(places) == 100
    kept = kept[:90]  # the others wait for a batch, except those beyond the limit
    again = [buffers.take((4,)) for _ in range(6)]
    assert sum(batch.data_ptr() in places for batch in again) >= 4
    assert len(buffers._buffers) <= 16
    del kept, again
    buffers.take((4,))
    assert len(buffers._buffers) == 4


def test_without_use_counts_memory_is_never_reused(monkeypatch):
    monkeypatch.delattr(torch._C, "_storage_Use_Count")
    buffers = BatchBuffers(CPU, torch.float32)
    kept = buffers.take((4,))
    view = kept[1:]
    view.fill_(7)
    del kept
    for _ in range(5):
        buffers.take((4,)).fill_(0)
    assert view.tolist() == [7, 7, 7]


def test_a_workspace_grows_and_keeps_its_memory():
    workspace = Workspace()
    large = workspace.take("a", (3, 4), torch.float32, CPU)
    assert workspace.take("a", (2, 2), torch.float32, CPU).data_ptr() == large.data_ptr()
    assert workspace.take("b", (2, 2), torch.float32, CPU).data_ptr() != large.data_ptr()
    assert workspace.take("a", (5, 5), torch.float32, CPU).shape == (5, 5)
