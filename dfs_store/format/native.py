"""Reads and describes native arrays, which a method needs in addition to key frames.

Native arrays are stored with checksums in the group `native`. Readers may ignore them, because the key frames
of the same clips are stored as well.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, SettingsError
from dfs_store.format.container import ContainerReader
from dfs_store.format.spec import NATIVE, NATIVE_DTYPES, Header

__all__ = ["describe_native", "native_bytes", "read_native", "stored_natively"]

Array = npt.NDArray[Any]


def stored_natively(arrays: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Converts arrays to the form in which they are stored, contiguous and little-endian.

    Raises:
        SettingsError: a dtype is not one of `NATIVE_DTYPES`, or a floating-point number is not finite.
    """
    stored = {}
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.dtype.name not in NATIVE_DTYPES:
            raise SettingsError(
                f"native array {name} must have one of the dtypes {', '.join(NATIVE_DTYPES)}, "
                f"got {array.dtype}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SettingsError(
                f"native array {name} must contain only finite numbers, but contains NaN or infinity"
            )
        stored[name] = np.ascontiguousarray(array, dtype=NATIVE_DTYPES[array.dtype.name])
    return stored


def describe_native(method: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Returns the value of the header's key `native` for arrays that `stored_natively` returned."""
    return {
        "method": method,
        "arrays": {
            name: {"dtype": array.dtype.name, "shape": list(array.shape), "checksum": _checksum(array)}
            for name, array in arrays.items()
        },
    }


def native_bytes(header: Header) -> int | None:
    """Returns the size in bytes that the header states for the native arrays, or None if there are none.

    Arrays with a dtype unknown to this version are not counted.
    """
    if header.native is None:
        return None
    total: int = sum(
        math.prod(about["shape"]) * np.dtype(NATIVE_DTYPES[about["dtype"]]).itemsize
        for about in header.native["arrays"].values()
        if about["dtype"] in NATIVE_DTYPES
    )
    return total


def read_native(reader: ContainerReader, header: Header) -> Iterator[tuple[str, Array | DamagedStoreError]]:
    """Yields the name and values of every native array, or an error instead of the values."""
    for name, about in (header.native or {"arrays": {}})["arrays"].items():
        try:
            yield name, _read(reader, name, about)
        except DamagedStoreError as error:
            yield name, error


def _read(reader: ContainerReader, name: str, about: dict[str, Any]) -> Array:
    where = f"{reader.path}: the array {NATIVE}/{name}"
    if about["dtype"] not in NATIVE_DTYPES:
        raise DamagedStoreError(
            f"{where} must have one of the dtypes {', '.join(NATIVE_DTYPES)}, got {about['dtype'][:80]!r}"
        )
    array = reader.array(f"{NATIVE}/{name}", NATIVE_DTYPES[about["dtype"]], tuple(about["shape"]))
    if array is None:
        raise DamagedStoreError(f"{where} is missing")
    if _checksum(array) != about["checksum"]:
        raise DamagedStoreError(f"{where} does not match its checksum")
    return array


def _checksum(array: Array) -> int:
    return int(google_crc32c.value(np.ascontiguousarray(array)))
