"""Lets torch's DataLoader form batches without copying the clips.

A DataLoader requests all items of a batch at once, and then stacks them into new memory. Clips that were
rebuilt together already form that batch in memory, and their type makes the default collate function use it.
"""

import copy
from collections.abc import Sequence
from typing import Any, SupportsIndex, cast

import torch
from torch import Tensor
from torch.utils.data._utils.collate import collate_tensor_fn, default_collate_fn_map

from dfs_store.loaders.batching.buffers import tensor_over

__all__ = ["RebuiltClip", "rebuilt_clips"]


class RebuiltClip(Tensor):
    """A clip that is part of a batch in memory. Operations on it return plain tensors."""

    # As in torch.nn.Parameter, so that operations ignore the type.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def detach(self) -> Tensor:
        """Returns a clip of this type, which torch.nn.Parameter requires of its data."""
        return super().detach().as_subclass(RebuiltClip)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return copy.deepcopy(self.as_subclass(Tensor), memo)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401 - object's own annotation
        return self.as_subclass(Tensor).__reduce_ex__(protocol)  # type: ignore[no-untyped-call]


def rebuilt_clips(batch: Tensor) -> list[Tensor]:
    """Splits a contiguous batch (B, ...) into clips that torch's default collate function does not copy."""
    return [clip.as_subclass(RebuiltClip) for clip in batch.unbind()]


def _collate(batch: Sequence[Tensor], *, collate_fn_map: Any = None) -> Tensor:  # noqa: ANN401 - torch's own annotation
    """Returns the clips' memory as the batch if the clips fill it in order; otherwise, stacks the clips."""
    first = batch[0]
    storage, size = first.untyped_storage(), first.numel()
    together = all(
        clip.untyped_storage().data_ptr() == storage.data_ptr()
        and clip.storage_offset() == number * size
        and clip.shape == first.shape
        and clip.dtype == first.dtype
        and clip.is_contiguous()
        and not clip.requires_grad  # stacking keeps the clips' graph
        for number, clip in enumerate(batch)
    )
    if together:
        return tensor_over(storage, (len(batch), *first.shape), first.dtype)
    plain = [clip.as_subclass(Tensor) for clip in batch]
    return cast(Tensor, collate_tensor_fn(plain, collate_fn_map=collate_fn_map))


default_collate_fn_map[RebuiltClip] = _collate
