"""Reproducible arithmetic: full float32 and deterministic convolutions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["full_float32"]


@contextmanager
def full_float32() -> Iterator[None]:
    """Computes matrix products, convolutions and recurrent layers in full float32, deterministically.

    A context manager and decorator for code whose results must be reproducible, on the CPU and on CUDA. It
    overrides `torch.backends.fp32_precision` and the older `allow_tf32`, and restores them on exit.

    `torch.use_deterministic_algorithms` is not used because the backward pass of MaxPool3d on CUDA would then
    raise an error, although it is deterministic for non-overlapping windows, the only ones used here.
    """
    backends: Any = torch.backends  # typed as a module, whose operators mypy cannot see
    operators = (  # set one by one, because an operator's setting overrides that of its backend and of torch
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
