"""Reads arrays in memory-mapped files item by item with NumPy, including bfloat16."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import UnreadableClipsError
from dfs_store.exchange.imports.arrays import Array, FoundArray

__all__ = ["DTYPES", "dtype_name", "found_raw", "of_numpy", "of_texts"]

# NumPy dtypes by name. NumPy has no bfloat16, whose bits are the upper half of a float32.
DTYPES = {
    "float16": "f2", "float32": "f4", "float64": "f8",
    "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8",
    "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8",
    "bool": "b1", "bfloat16": "u2",
}  # fmt: skip


def found_raw(
    name: str,
    data: npt.NDArray[np.uint8],
    dtype: str,
    shape: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    offset: int = 0,
    order: str = "<",
) -> FoundArray:
    """Returns an array that is a view of bytes and is read lazily.

    Args:
        name: see `FoundArray`.
        data: the bytes, (n,).
        dtype: name of the dtype. If it is not a key of `DTYPES`, reading the array raises an error.
        shape: shape of the array.
        strides: strides in elements; C order if None.
        offset: offset of the first element, in elements.
        order: byte order, "<" or ">".

    Raises:
        UnreadableClipsError: the view exceeds the bytes, or has more elements than the bytes contain.
    """
    shape = tuple(shape)
    if dtype not in DTYPES:
        return FoundArray(name, shape, dtype, lambda: _unread(name, dtype), lambda: _unread(name, dtype))
    kind = np.dtype(f"{order}{DTYPES[dtype]}")
    size, count = kind.itemsize, math.prod(shape)
    if strides is None:
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if count * size > data.size:
        raise UnreadableClipsError(
            f"{name or 'the tensor'} needs {count * size:,} bytes, but only {data.size:,} are stored: the "
            "tensor repeats values, or the file is truncated. Save tensor.contiguous() instead"
        )
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if count and (last + 1) * size > data.size:
        raise UnreadableClipsError(
            f"the file is damaged: {name or 'the tensor'} needs more bytes than are stored; save the file "
            "again"
        )
    view: Array = np.lib.stride_tricks.as_strided(
        data[offset * size : (last + 1) * size].view(kind) if count else np.empty(0, kind),
        shape,
        [stride * size for stride in strides],
        writeable=False,
    )
    if dtype == "bfloat16":
        return FoundArray(name, shape, dtype, lambda: map(_widened, view), lambda: _widened(view))
    return FoundArray(name, shape, dtype, lambda: iter(view), lambda: view)


def of_numpy(name: str, array: Array) -> FoundArray:
    """Returns a `FoundArray` for an array that is in memory or memory-mapped."""
    return FoundArray(name, array.shape, dtype_name(array.dtype), lambda: iter(array), lambda: array)


def of_texts(name: str, texts: object) -> FoundArray:
    """Returns a `FoundArray` with the dtype "str" for a string or an array of strings."""
    return replace(of_numpy(name, np.array(texts, dtype=object)), dtype="str")


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Returns the name of a dtype as used in `FoundArray`."""
    return "str" if dtype.kind == "U" else dtype.name


def _widened(bits: Array) -> Array:
    wide = np.asarray(bits).astype("=u4")
    wide <<= 16
    return wide.view("=f4")


def _unread(name: str, dtype: str) -> Any:  # noqa: ANN401 - it never returns
    raise UnreadableClipsError(
        f"{name or 'the tensor'} has the unsupported dtype {dtype}; save it with one of {', '.join(DTYPES)}"
    )
