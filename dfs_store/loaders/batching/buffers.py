"""Recycled memory: batches in buffers that are used again only when nobody holds them any more.

Fresh memory costs page faults, about five times the work of rebuilding a batch into warm memory.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

__all__ = ["BatchBuffers", "Memory", "Workspace", "cpu_memory", "fresh_memory", "tensor_over"]

Memory = Callable[[Sequence[int], torch.dtype], Tensor]
"""Makes an uninitialised tensor of a shape and a dtype, on the CPU."""

_MAX_IDLE = 4  # buffers that wait for a batch; with one batch in the caller's hands two are in use
# Those that somebody holds cost nothing to remember; fresh ones in their place would tear holes in the heap.
# But once their holders let go they stay until the next batch is asked for, so there is an end to it.
_MAX_REMEMBERED = 16


def cpu_memory(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns uninitialised memory on the CPU, whatever torch's default device is."""
    return torch.empty(tuple(shape), dtype=dtype, device="cpu")


def fresh_memory(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns uninitialised memory for something that a DataLoader passes on.

    In its worker processes that is memory shared with the main process, where a DataLoader would copy it to.
    """
    if get_worker_info() is None:
        return cpu_memory(shape, dtype)
    size_bytes = prod(shape) * dtype.itemsize
    storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(size_bytes, device="cpu")  # type: ignore[no-untyped-call]
    return tensor_over(storage, shape, dtype)


class Workspace(threading.local):
    """Scratch memory by name, for steps whose results nobody keeps; every thread has its own."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def take(self, name: str, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Returns an uninitialised tensor; it is valid until the next call with the same name."""
        key, size = (name, dtype, device), prod(shape)
        memory = self._memory.get(key)
        if memory is None or memory.numel() < size:
            memory = self._memory[key] = torch.empty(size, dtype=dtype, device=device)
        return memory[:size].view(*shape)


class _Buffer:
    """One piece of CPU memory and the question whether anybody else still holds it.

    Whatever shares the memory keeps PyTorch's storage alive: views, detached tensors, graphs that
    saved them, NumPy arrays and DLPack capsules. So the count of the storage's holders tells, with
    one exception: a storage object that Python holds, whose own reference count is looked at too.
    """

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        self.size = size
        self.dtype = dtype
        self._storage = torch.empty(size, dtype=dtype, device="cpu").untyped_storage()
        self._size_bytes = self._storage.nbytes()
        self._idle = self._holders()

    def _holders(self) -> tuple[int, int]:
        return _use_count(self._storage), sys.getrefcount(self._storage)

    def is_free(self) -> bool:
        """Returns True when the memory is only ours."""
        return self._holders() == self._idle

    def is_intact(self) -> bool:
        """Returns False when the caller resized the memory or moved it to where other processes see it."""
        return self._storage.nbytes() == self._size_bytes and not self._storage.is_shared()

    def tensor(self, shape: Sequence[int]) -> Tensor:
        """Returns a tensor over the memory that is no view of a tensor of ours.

        A view would tie autograd's bookkeeping of in-place changes to the tensor behind it.
        """
        return tensor_over(self._storage, shape, self.dtype)


class BatchBuffers:
    """Hands out memory for batches; on the CPU, memory that earlier batches no longer need.

    Other devices get fresh tensors: there PyTorch's caching allocator already recycles, in the
    order of the streams, which a pool of ours could not know.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        self._buffers: list[_Buffer] = []
        self._lock = threading.Lock()  # or two threads could find the same buffer free
        self._recycles = device.type == "cpu" and _can_count()

    @torch.inference_mode(mode=False)  # or the caller could not train on what was made while testing
    def take(self, shape: Sequence[int]) -> Tensor:
        """Returns an uninitialised, contiguous tensor whose memory nobody else holds."""
        if not self._recycles:
            return torch.empty(*shape, dtype=self._dtype, device=self._device)
        with self._lock:
            return self._recycled(prod(shape), shape)

    def _recycled(self, size: int, shape: Sequence[int]) -> Tensor:
        # A buffer that was resized or shared is forgotten: its holders keep it alive.
        held: list[_Buffer] = []
        idle: list[_Buffer] = []
        for buffer in self._buffers:
            # Free first: while another thread still held it, it may have sent it to another process.
            free = buffer.is_free()
            if buffer.is_intact() and buffer.size >= size:
                (idle if free else held).append(buffer)
        chosen = idle[0] if idle else _Buffer(size, self._dtype)
        self._buffers = [*held, *idle[1:_MAX_IDLE], chosen][-_MAX_REMEMBERED:]
        return chosen.tensor(shape)


@torch.inference_mode(mode=False)
def tensor_over(storage: torch.UntypedStorage, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns a contiguous CPU tensor over the beginning of a storage."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return torch.empty(0, dtype=dtype, device="cpu").set_(storage, 0, shape, strides)


def _use_count(storage: torch.UntypedStorage) -> int:
    # Not public, yet what torch's own CUDA graph trees rely on; `_can_count` guards it.
    return int(torch._C._storage_Use_Count(storage._cdata))


def _can_count() -> bool:
    """Returns whether this torch tells holders of a storage apart; if not, memory is never used again."""
    if not hasattr(torch._C, "_storage_Use_Count"):
        return False
    buffer = _Buffer(4, torch.float32)
    kept = buffer.tensor((2, 2))
    view = kept.detach()[0]
    held_by_tensor = not buffer.is_free()
    del kept
    held_by_view = not buffer.is_free()
    del view
    return held_by_tensor and held_by_view and buffer.is_free()
