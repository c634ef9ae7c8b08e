"""Checks the loaders' options. Each function returns the value in its final type or raises an error."""

import operator
from typing import SupportsFloat, SupportsIndex, cast

import torch

from dfs_store.errors import SettingsError
from dfs_store.loaders.transfers import indexed_device

__all__ = ["check_device", "check_dtype", "check_share", "check_whole_number", "replica_of"]


def check_whole_number(value: object, name: str, *, least: int | None = None) -> int:
    """Returns a whole number as an int. Accepts NumPy integers, but not bool.

    Raises:
        SettingsError: `value` is not a whole number, or is below `least`.
    """
    rule = "a whole number" + ("" if least is None else f" of at least {least}")
    try:
        number = operator.index(cast(SupportsIndex, value))
    except TypeError:
        raise SettingsError(f"{name} must be {rule}, got {value!r}") from None
    if isinstance(value, bool) or (least is not None and number < least):
        raise SettingsError(f"{name} must be {rule}, got {value!r}")
    return number


def check_share(value: object, name: str) -> float:
    """Returns a probability as a float.

    Raises:
        SettingsError: `value` is not in [0, 1].
    """
    try:
        share = float(cast(SupportsFloat, value))
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{name} must be a probability in [0, 1], got {value!r}")
    return share


def check_device(device: object) -> torch.device:
    """Returns a device that is available on this machine.

    Raises:
        SettingsError: `device` is not the name of a device, or the device is not available.
    """
    try:
        known = torch.device(cast(str, device))
        torch.empty(0, device=known)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise SettingsError(
            f"device must be one that torch can use, such as 'cpu' or 'cuda', got {device!r}: {error}"
        ) from None
    return indexed_device(known)


def check_dtype(dtype: object) -> torch.dtype:
    """Returns a floating-point dtype, by default float32.

    Raises:
        SettingsError: `dtype` is not float16, bfloat16, float32 or float64.
    """
    allowed = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    if dtype is None:
        return torch.float32
    if dtype not in allowed:
        raise SettingsError(
            f"dtype must be one of {', '.join(map(str, allowed))} or None (float32), got {dtype!r}"
        )
    return dtype


def replica_of(num_replicas: object, rank: object) -> tuple[int, int]:
    """Returns (num_replicas, rank).

    If both arguments are None, the values are taken from torch.distributed, or are (1, 0) if it is not
    initialised.

    Raises:
        SettingsError: only one of them is given, or `rank` is not below `num_replicas`.
    """
    if (num_replicas is None) != (rank is None):
        raise SettingsError(
            f"num_replicas and rank must be passed together or not at all, got {num_replicas!r} and {rank!r}"
        )
    if num_replicas is None:
        distributed = torch.distributed
        if not distributed.is_available() or not distributed.is_initialized():
            return 1, 0
        return distributed.get_world_size(), distributed.get_rank()
    replicas = check_whole_number(num_replicas, "num_replicas", least=1)
    number = check_whole_number(rank, "rank", least=0)
    if number >= replicas:
        raise SettingsError(f"rank must be in 0..{replicas - 1}, got {number} with num_replicas={replicas}")
    return replicas, number
