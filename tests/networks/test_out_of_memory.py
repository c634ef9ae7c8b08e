"""Which errors of torch, the host, cuDNN and cuBLAS mean that memory ran out."""

import pytest
import torch

from dfs_store.errors import OutOfMemoryError
from dfs_store.networks.out_of_memory import is_out_of_memory, out_of_memory_named

WORDINGS = [
    "CUDA out of memory. Tried to allocate 2.00 GiB.",
    "CUDA error: out of memory",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "GET was unable to find an engine to execute this computation",
    "Unable to find a valid cuDNN algorithm to run convolution",
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory",
    "std::bad_alloc",
]


@pytest.mark.parametrize("wording", WORDINGS)
def test_all_wordings_are_recognised(wording):
    assert is_out_of_memory(RuntimeError(wording))
    with pytest.raises(OutOfMemoryError, match="use --device cpu"), out_of_memory_named("use --device cpu"):
        raise RuntimeError(wording)


def test_other_errors_are_not_converted():
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("CUDNN_STATUS_EXECUTION_FAILED"))
    assert not is_out_of_memory(ValueError("out of memory"))
