"""Files of torch.save and safetensors: tensors, not read yet; what would run code is refused."""

import os
import re
import warnings
import zipfile
from collections.abc import Iterator
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfs_store.errors import MissingDependencyError, UnreadableClipsError
from dfs_store.exchange.imports.arrays import Array, FoundArray

__all__ = ["read_safetensors", "read_torch"]

_SAFETENSORS = {
    "BF16": "bfloat16",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{
        f"{letter}{bits}": f"{word}{bits}"
        for letter, word in (("I", "int"), ("U", "uint"))
        for bits in (8, 16, 32, 64)
    },
}
_MAX_DEPTH = 8
_MAX_ITEMS = 100_000  # of lists and dictionaries, all together


def read_torch(path: str) -> list[FoundArray]:
    """Returns the tensors of a file of torch.save, with the lists and dictionaries they lie in as names.

    A list of whole numbers or texts, and one of equal tensors, counts as one array.

    Raises:
        UnreadableClipsError: the file is damaged, or holds other objects than tensors, numbers and texts in
            lists and dictionaries, which only running code of the file could restore.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of strange pickles; the errors say enough
            mapped = zipfile.is_zipfile(path)
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        raise UnreadableClipsError(
            f"{path} holds more than tensors, numbers and texts: loading it would run code that the file "
            f"names{_culprit(error)}, which dfs never does. Where you trust the file, save it again "
            'with torch.save({"clips": clips, "labels": labels}, FILE) from the program that made it'
        ) from error
    except Exception as error:  # a hostile file can make torch.load raise anything
        raise UnreadableClipsError(
            f"{path} cannot be read as a file of torch.save ({type(error).__name__}: {_first_line(error)}); "
            "it is damaged, or something else"
        ) from error
    found: list[FoundArray] = []
    _walk(content, "", found, os.path.getsize(path), path)
    return found


def read_safetensors(path: str) -> tuple[list[FoundArray], dict[str, str]]:
    """Returns the tensors and the metadata of a safetensors file.

    Raises:
        MissingDependencyError: safetensors is not installed.
        UnreadableClipsError: the file is damaged.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingDependencyError(
            "reading .safetensors needs safetensors, which is not installed; "
            "install it with: pip install 'dfs-store[safetensors]'"
        ) from error
    try:
        with safe_open(path, framework="pt") as file:
            found = [_lazy(path, name, file.get_slice(name)) for name in file.keys()]  # noqa: SIM118 - no mapping
            return found, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise UnreadableClipsError(f"{path} cannot be read as safetensors ({_first_line(error)})") from error


def _lazy(path: str, name: str, about: Any) -> FoundArray:  # noqa: ANN401 - a slice of safetensors
    """Returns a tensor of a safetensors file, read item by item."""
    from safetensors import safe_open

    shape = tuple(about.get_shape())

    def items() -> Iterator[Array]:
        with safe_open(path, framework="pt") as file:
            part = file.get_slice(name)
            for number in range(shape[0]):
                yield _numpy(part[number])

    def whole() -> Array:
        with safe_open(path, framework="pt") as file:
            return _numpy(file.get_tensor(name))

    dtype = _SAFETENSORS.get(about.get_dtype(), about.get_dtype())
    return FoundArray(name, shape, dtype, items, whole)


def _walk(content: object, name: str, found: list[FoundArray], file_bytes: int, path: str) -> None:
    """Collects the arrays in nested lists and dictionaries."""
    if name.count(".") > _MAX_DEPTH or len(found) > _MAX_ITEMS:
        raise UnreadableClipsError(
            f"{path} is nested too deep, or holds too many things, to find clips in it"
        )
    if isinstance(content, Tensor):
        if (checked := _plain(content, name, file_bytes, path)) is not None:
            found.append(_found(name, checked))
    elif isinstance(content, dict):
        for key, value in content.items():
            _walk(value, f"{name}.{key}".lstrip("."), found, file_bytes, path)
    elif isinstance(content, list | tuple) and content:
        if all(isinstance(each, int) for each in content):
            found.append(_listed(name, np.array(content, dtype=object), "int64"))
        elif all(isinstance(each, str) for each in content):
            found.append(_listed(name, np.array(content, dtype=object), "str"))
        elif _equal_clips(content):
            tensors = [_plain(each, name, file_bytes, path) for each in content]
            found.append(_stacked(name, [each for each in tensors if each is not None]))
        else:
            for number, value in enumerate(content):
                _walk(value, f"{name}.{number}".lstrip("."), found, file_bytes, path)


def _equal_clips(content: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list holds clips, one tensor (T, C, H, W) or the like each, of one shape and dtype."""
    return all(isinstance(each, Tensor) and each.dim() == 4 for each in content) and (
        len({(each.shape, each.dtype) for each in content}) == 1
    )


def _plain(tensor: Tensor, name: str, file_bytes: int, path: str) -> Tensor | None:
    """Returns a tensor whose values lie in the file, None for what no clips are; refuses empty promises."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return None
    if tensor.numel() * tensor.element_size() > file_bytes:
        claimed = tensor.numel() * tensor.element_size()
        raise UnreadableClipsError(
            f"{path}: {name or 'the tensor'} claims {claimed:,} bytes, and the whole file has "
            f"{file_bytes:,}: it repeats values. Save it again as tensor.contiguous()"
        )
    return tensor.detach()


def _found(name: str, tensor: Tensor) -> FoundArray:
    def items() -> Iterator[Array]:
        for number in range(tensor.shape[0]):
            yield _numpy(tensor[number])

    dtype = str(tensor.dtype).removeprefix("torch.")
    return FoundArray(name, tuple(tensor.shape), dtype, items, lambda: _numpy(tensor))


def _stacked(name: str, tensors: list[Tensor]) -> FoundArray:
    dtype = str(tensors[0].dtype).removeprefix("torch.")
    shape = (len(tensors), *tensors[0].shape)
    return FoundArray(
        name,
        shape,
        dtype,
        lambda: (_numpy(each) for each in tensors),
        lambda: np.stack([_numpy(each) for each in tensors]),
    )


def _listed(name: str, array: Array, dtype: str) -> FoundArray:
    return FoundArray(name, array.shape, dtype, lambda: iter(array), lambda: array)


def _numpy(tensor: Tensor) -> Array:
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.to(torch.float32)  # NumPy has no such dtype; every value survives
    array: Array = tensor.numpy()
    return array


def _culprit(error: UnpicklingError) -> str:
    """Returns what torch refused to call, in brackets, where it says so."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({named[1]})" if named else ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].partition(". ")[0][:160].rstrip(".")
