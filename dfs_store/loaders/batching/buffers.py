"""Recycles the memory of batches once nothing refers to it any more.

Fresh memory causes page faults, which take about five times as long as rebuilding a batch into recycled
memory.
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
"""Allocates an uninitialised CPU tensor of the given shape and dtype."""

_MAX_IDLE = 4  # unused buffers to keep; two buffers are in use if the caller keeps one batch
# Tracking buffers in use costs nothing, and replacing them would fragment the heap. But released buffers stay
# allocated until the next batch, so their number is limited.
_MAX_REMEMBERED = 16


def cpu_memory(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns uninitialised memory on the CPU, whatever torch's default device is."""
    return torch.empty(tuple(shape), dtype=dtype, device="cpu")


def fresh_memory(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns uninitialised memory for data that a DataLoader sends to the main process.

    In a worker process, the memory is shared. The DataLoader would otherwise copy the data.
    """
    if get_worker_info() is None:
        return cpu_memory(shape, dtype)
    size_bytes = prod(shape) * dtype.itemsize
    storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(size_bytes, device="cpu")  # type: ignore[no-untyped-call]
    return tensor_over(storage, shape, dtype)


class Workspace(threading.local):
    """Named temporary memory for intermediate results. Every thread has its own."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def take(self, name: str, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Returns an uninitialised tensor, valid until the next call with the same name."""
        key, size = (name, dtype, device), prod(shape)
        memory = self._memory.get(key)
        if memory is None or memory.numel() < size:
            memory = self._memory[key] = torch.empty(size, dtype=dtype, device=device)
        return memory[:size].view(*shape)


class _Buffer:
    """A block of CPU memory that can detect whether anything else refers to it.

    Everything that shares the memory keeps PyTorch's storage alive: views, detached tensors, graphs that
    saved them, NumPy arrays and DLPack capsules. The storage's use count therefore shows whether the memory
    is free. The count does not include Python's storage objects, so their reference count is also checked.
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
        """Returns whether nothing else refers to the memory."""
        return self._holders() == self._idle

    def is_intact(self) -> bool:
        """Returns whether the memory was neither resized nor moved to shared memory."""
        return self._storage.nbytes() == self._size_bytes and not self._storage.is_shared()

    def tensor(self, shape: Sequence[int]) -> Tensor:
        """Returns a tensor that uses this buffer's memory but is not a view of another tensor.

        If it were a view, autograd would record in-place changes to it on its base tensor.
        """
        return tensor_over(self._storage, shape, self.dtype)


class BatchBuffers:
    """Provides memory for batches. On the CPU, the memory of earlier batches is reused.

    On other devices, tensors are always new, because PyTorch's caching allocator already recycles their
    memory. It does so in stream order, which this pool could not observe.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        self._buffers: list[_Buffer] = []
        self._lock = threading.Lock()  # two threads must not take the same buffer
        self._recycles = device.type == "cpu" and _can_count()

    @torch.inference_mode(mode=False)  # a batch made during inference must still be usable for training
    def take(self, shape: Sequence[int]) -> Tensor:
        """Returns an uninitialised, contiguous tensor whose memory nothing else refers to."""
        if not self._recycles:
            return torch.empty(*shape, dtype=self._dtype, device=self._device)
        with self._lock:
            return self._recycled(prod(shape), shape)

    def _recycled(self, size: int, shape: Sequence[int]) -> Tensor:
        # Buffers that were resized or shared are dropped; the tensors that use them keep them alive.
        held: list[_Buffer] = []
        idle: list[_Buffer] = []
        for buffer in self._buffers:
            # is_free comes first, since another thread that is using the buffer may still share it.
            free = buffer.is_free()
            if buffer.is_intact() and buffer.size >= size:
                (idle if free else held).append(buffer)
        chosen = idle[0] if idle else _Buffer(size, self._dtype)
        self._buffers = [*held, *idle[1:_MAX_IDLE], chosen][-_MAX_REMEMBERED:]
        return chosen.tensor(shape)


@torch.inference_mode(mode=False)
def tensor_over(storage: torch.UntypedStorage, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns a contiguous CPU tensor whose values are at the start of a storage."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return torch.empty(0, dtype=dtype, device="cpu").set_(storage, 0, shape, strides)


def _use_count(storage: torch.UntypedStorage) -> int:
    # The function is private, but torch's CUDA graph trees depend on it, and `_can_count` tests it.
    return int(torch._C._storage_Use_Count(storage._cdata))


def _can_count() -> bool:
    """Returns whether use counts work in this version of torch. If not, memory is never reused."""
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
