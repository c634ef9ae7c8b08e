"""Limits how many clips a network processes at a time, and lowers the limit if memory runs out.

The embedding and gradient of a clip depend only on that clip, so the limit affects only rounding.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from dfs_store.names import first_line
from dfs_store.networks import ConvNet3D
from dfs_store.networks.out_of_memory import is_out_of_memory

__all__ = ["ClipsAtATime"]

Found = TypeVar("Found")


class Rendered(Protocol):
    """Synthetic clips that are computed from trained parameters."""

    def __len__(self) -> int:
        """N, the number of clips."""
        ...

    def render(self, part: slice, /) -> Tensor:
        """Returns some of the clips, (n, T, C, H, W) float32, without an autograd graph."""
        ...


class TensorClips(Protocol):
    """Clips whose slices are tensors."""

    def __len__(self) -> int:
        """N, the number of clips."""
        ...

    def __getitem__(self, part: slice, /) -> Tensor:
        """Returns some of the clips, (n, T, C, H, W)."""
        ...


class ClipsAtATime:
    """Limits how many clips are processed at a time. If memory runs out, halves the limit and retries.

    Args:
        real: maximum number of real clips at a time, without a graph; unlimited by default.
        synthetic: maximum number of synthetic clips at a time, with a graph; unlimited by default.

    Attributes:
        real, synthetic: the current limits.
        shrunk: whether memory has run out.
    """

    def __init__(self, real: int = sys.maxsize, synthetic: int = sys.maxsize) -> None:
        self.real = real
        self.synthetic = synthetic
        self.shrunk = False

    def embed_real(self, embed: Callable[[Tensor], Tensor], clips: TensorClips) -> Tensor:
        """Returns the embeddings (N, F) of real clips (N, T, C, H, W).

        Args:
            embed: maps clips to embeddings.
            clips: a tensor, or an object whose slices are tensors that may be allocated on access.

        Raises:
            torch.OutOfMemoryError: the device runs out of memory with a single clip.
        """
        return self._in_parts("real", lambda part: embed(clips[part]), len(clips))

    def embed(self, network: ConvNet3D, clips: Rendered) -> Tensor:
        """Returns the embeddings (N, F) of synthetic clips, without an autograd graph."""
        with torch.no_grad():
            return self._in_parts("synthetic", lambda part: network.embed(clips.render(part)), len(clips))

    def embed_with_graph(self, network: ConvNet3D, clips: Rendered) -> tuple[Tensor, Tensor] | None:
        """Returns clips and their embeddings (N, F) with an autograd graph, or None if memory runs out."""
        if len(clips) > self.synthetic:
            return None

        def both() -> tuple[Tensor, Tensor]:
            rendered = clips.render(slice(None)).requires_grad_()
            return rendered, network.embed(rendered)

        return self._tried("synthetic", both, len(clips))

    def pull_back(self, embedded: Tensor, clips: Tensor, cotangent: Tensor) -> Tensor | None:
        """Returns the gradient (N, T, C, H, W) from a recorded graph, or None if memory runs out."""

        def gradient() -> Tensor:
            return torch.autograd.grad(embedded, clips, grad_outputs=cotangent)[0]

        return self._tried("synthetic", gradient, len(clips))

    def gradient(self, network: ConvNet3D, clips: Rendered, cotangent: Tensor) -> Tensor:
        """Returns the gradient (N, T, C, H, W) of the inner product of embeddings and `cotangent` (N, F)."""

        def of(part: slice) -> Tensor:
            own = clips.render(part).requires_grad_()
            return torch.autograd.grad(network.embed(own), own, grad_outputs=cotangent[part])[0]

        return self._in_parts("synthetic", of, len(clips))

    def whole(self, do: Callable[[], Found]) -> Found:
        """Returns `do()`; if memory runs out, releases cached memory and tries once more."""
        try:
            return do()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside `except`, because the exception keeps stack frames and their tensors alive.
        _release_cached_memory()
        return do()

    def provenance(self) -> dict[str, dict[str, int]]:
        """Returns the limits for the store's provenance if memory ran out, otherwise an empty dictionary."""
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
        """Returns `do()`; if memory runs out with `count` clips, halves the limit and returns None."""
        try:
            return do()
        except (RuntimeError, MemoryError) as error:
            if count == 1 or not is_out_of_memory(error):
                raise
            reason = first_line(error)
        # Outside `except`, because the exception keeps stack frames and their tensors alive.
        _release_cached_memory()
        fewer = -(-count // 2)
        setattr(self, side, fewer)
        self.shrunk = True
        warnings.warn(
            f"out of memory with {count} {side} clips at a time; continuing with {fewer} ({reason})",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _release_cached_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
