"""How many clips the network takes at a time: all, or parts if the device runs out of memory.

The embedding and gradient of a clip depend on that clip alone, so the parts change only the last bits.
"""

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from dfs_store.networks import ConvNet3D
from dfs_store.networks.out_of_memory import is_out_of_memory

__all__ = ["ClipsAtATime"]

Found = TypeVar("Found")


class ClipsAtATime:
    """Numbers of clips that are halved whenever memory runs out; the failed computation is repeated.

    Args:
        real: maximum number of real clips at a time, without a graph.
        synthetic: maximum number of synthetic clips at a time, with a graph.

    Attributes:
        real, synthetic: the current maxima.
    """

    def __init__(self, real: int, synthetic: int) -> None:
        self.real = real
        self.synthetic = synthetic
        self.shrunk = False

    def embed_real(self, embed: Callable[[Tensor], Tensor], clips: Tensor) -> Tensor:
        """Returns the embeddings of real clips (N, T, C, H, W): (N, F).

        Raises:
            torch.OutOfMemoryError: the device runs out of memory with one clip, in any method.
        """
        return self._in_parts("real", lambda part: embed(clips[part]), len(clips))

    def embed(self, network: ConvNet3D, clips: Tensor) -> Tensor:
        """Returns the embeddings of synthetic clips (N, T, C, H, W): (N, F), without a graph."""
        with torch.no_grad():
            return self._in_parts("synthetic", lambda part: network.embed(clips[part]), len(clips))

    def embed_with_graph(self, network: ConvNet3D, clips: Tensor) -> Tensor | None:
        """Returns the embeddings (N, F) with their graph; None if all clips at once exceed the memory."""
        if len(clips) > self.synthetic:
            return None
        return self._tried("synthetic", lambda: network.embed(clips), len(clips))

    def pull_back(self, embedded: Tensor, clips: Tensor, cotangent: Tensor) -> Tensor | None:
        """Returns the gradient (N, T, C, H, W) through a graph, None if the device runs out of memory."""

        def gradient() -> Tensor:
            return torch.autograd.grad(embedded, clips, grad_outputs=cotangent)[0]

        return self._tried("synthetic", gradient, len(clips))

    def gradient(self, network: ConvNet3D, clips: Tensor, cotangent: Tensor) -> Tensor:
        """Returns the gradient (N, T, C, H, W) of the inner product of embeddings and `cotangent` (N, F)."""

        def of(part: slice) -> Tensor:
            own = clips[part].detach().requires_grad_()
            return torch.autograd.grad(network.embed(own), own, grad_outputs=cotangent[part])[0]

        return self._in_parts("synthetic", of, len(clips))

    def provenance(self) -> dict[str, dict[str, int]]:
        """Returns the numbers for the store's provenance if memory ran out, else nothing."""
        return {"clips_at_a_time": {"real": self.real, "synthetic": self.synthetic}} if self.shrunk else {}

    def _in_parts(self, side: str, do: Callable[[slice], Tensor], count: int) -> Tensor:
        found, start = [], 0
        while start < count:
            stop = min(start + getattr(self, side), count)
            part = slice(start, stop)
            done = self._tried(side, lambda part=part: do(part), stop - start)  # type: ignore[misc]
            if done is not None:
                found.append(done)
                start = stop
        return found[0] if len(found) == 1 else torch.cat(found)

    def _tried(self, side: str, do: Callable[[], Found], count: int) -> Found | None:
        """Returns `do()`; if memory runs out with `count` clips, halves the maximum and returns None."""
        try:
            return do()
        except (RuntimeError, MemoryError) as error:
            if count == 1 or not is_out_of_memory(error):
                raise
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
        # Only outside `except` are the stack frames released that kept tensors on the device.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        fewer = -(-count // 2)
        setattr(self, side, fewer)
        self.shrunk = True
        warnings.warn(
            f"out of memory with {count} {side} clips at a time: continuing with {fewer} ({first_line})",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
