"""Arithmetic that repeats: float32 in full, and the same order of sums every time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["full_float32"]


@contextmanager
def full_float32() -> Iterator[None]:
    """Keeps products, convolutions and recurrent layers in full float32, and convolutions repeatable.

    Everything that promises equal results runs inside, on the CPU and on CUDA, whatever the caller has set
    through `torch.backends.fp32_precision` or the older `allow_tf32`. As a decorator it works, too.

    Not torch's deterministic algorithms as a whole: the backward pass of MaxPool3d on CUDA then raises,
    though with windows that do not overlap, as here, it is deterministic.
    """
    backends: Any = torch.backends  # typed as a module, whose operators mypy does not know
    operators = (  # each of its own: an operator's setting overrules that of its backend and of torch
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
