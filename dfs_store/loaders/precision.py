"""Repeatable arithmetic: full float32, and the same order of sums in every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["full_float32"]


@contextmanager
def full_float32() -> Iterator[None]:
    """Context manager and decorator for full float32 precision and repeatable convolutions.

    All code that promises equal results runs inside it, on the CPU and on CUDA, whatever the caller has set
    in `torch.backends.fp32_precision` or the older `allow_tf32`.

    It does not enable torch's deterministic algorithms, with which the backward pass of MaxPool3d on CUDA
    raises an error, although it is deterministic for windows that do not overlap, as here.
    """
    backends: Any = torch.backends  # mypy does not know its operators
    operators = (  # one by one, since their settings override those of the backend and of torch
        backends.cuda.matmul,
        backends.cudnn.conv,
        backends.cudnn.rnn,
        backends.mkldnn.matmul,
        backends.mkldnn.conv,
        backends.mkldnn.rnn,
    )
    before = [operator.fp32_precision for operator in operators]
    cudnn = backends.cudnn
    choice = cudnn.benchmark, cudnn.deterministic
    try:
        for operator in operators:
            operator.fp32_precision = "ieee"
        cudnn.benchmark, cudnn.deterministic = False, True
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = choice
        for operator, precision in zip(operators, before, strict=True):
            operator.fp32_precision = precision
