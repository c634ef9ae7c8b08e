"""Reads datasets in layouts that dfs-store does not write, through h5py.

h5repack, h5py and other tools chunk and compress datasets. libhdf5 allocates as much memory as a chunk
requires, and may load a plugin to decompress it. Therefore, only some filters are allowed, and the size of
every chunk is checked before the chunk is read.
"""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.expand import check_lzf, expand
from dfs_store.format.general import GeneralRows, check_chunks, check_row_chunks, check_rows, check_small
from dfs_store.format.hdf5.mapped import errors_converted, frame_dtype, open_mapped
from dfs_store.format.io.files import ByteSource
from dfs_store.format.io.place import Place

__all__ = ["open_general_rows", "read_general"]

_SHUFFLE, _FLETCHER32 = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32
_COMPRESSORS: dict[int, Callable[[npt.NDArray[np.uint8], int], object]] = {
    h5py.h5z.FILTER_DEFLATE: partial(expand, "deflate"),
    h5py.h5z.FILTER_LZF: check_lzf,
}
_CHECKSUM_BYTES = 4  # size of a fletcher32 checksum, which follows its chunk


def read_general(dataset: h5py.Dataset, where: str, limit_bytes: int) -> npt.NDArray[Any]:
    """Reads a whole small array. Its dtype must have been checked.

    Raises:
        DamagedStoreError: the layout is not allowed, or a chunk does not decompress to the expected size.
    """
    _check_layout(dataset, where)
    check_small(where, math.prod(dataset.shape) * dataset.dtype.itemsize, limit_bytes)
    check_chunks(where, dataset.shape, _chunks(dataset), dataset.dtype.itemsize, dataset.shape[0])
    return _read(dataset, where, 0, dataset.shape[0])


def open_general_rows(dataset: h5py.Dataset, mapped: ByteSource, path: Place) -> GeneralRows:
    """Returns the large array without reading it. Raises DamagedStoreError if its layout is not allowed.

    The file is opened for every read, so that threads and forked processes share no h5py object.
    """
    name = dataset.name.strip("/")
    where = f"{path}: {name}"
    dtype = frame_dtype(dataset)
    check_rows(str(path), name, dataset.shape, dtype)
    check_row_chunks(where, dataset.shape, _chunks(dataset), dataset.dtype.itemsize)
    _check_layout(dataset, where)

    def fetch(start: int, stop: int) -> npt.NDArray[Any]:
        try:
            with errors_converted(path, name, mapped), open_mapped(mapped) as file:
                return _read(file[name], where, start, stop)
        finally:
            mapped.forget()

    return GeneralRows(dataset.shape, dtype, _chunks(dataset)[0], fetch, path.name)


def _chunks(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Returns the shape of a chunk. A dataset without chunks is treated as one chunk."""
    chunks: tuple[int, ...] = dataset.chunks or tuple(max(side, 1) for side in dataset.shape)
    return chunks


def _filters(dataset: h5py.Dataset) -> list[int]:
    settings = dataset.id.get_create_plist()
    return [settings.get_filter(place)[0] for place in range(settings.get_nfilters())]


def _check_layout(dataset: h5py.Dataset, where: str) -> None:
    filters = _filters(dataset)
    unknown = [number for number in filters if number not in {_SHUFFLE, _FLETCHER32, *_COMPRESSORS}]
    if unknown or len(set(filters)) != len(filters) or len(_COMPRESSORS.keys() & set(filters)) > 1:
        raise DamagedStoreError(
            f"{where}: filters must be shuffle, deflate (gzip) or lzf, and fletcher32, each at most once; "
            f"got the HDF5 filter numbers {', '.join(str(number) for number in filters)}"
        )


def _read(dataset: h5py.Dataset, where: str, start: int, stop: int) -> npt.NDArray[Any]:
    """Returns rows start..stop after checking that every chunk decompresses to the expected size."""
    if dataset.chunks is not None:
        rows = range(start - start % dataset.chunks[0], stop, dataset.chunks[0])
        others = [
            range(0, side, chunk) for side, chunk in zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
        ]
        size_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
        filters = _filters(dataset)
        for place in itertools.product(rows, *others):
            try:
                _check_chunk(dataset, place, filters, size_bytes)
            except ValueError as error:
                raise DamagedStoreError(
                    f"{where}: the chunk at {place} cannot be decompressed ({error})"
                ) from error
    values: npt.NDArray[Any] = dataset[start:stop]
    return values


def _check_chunk(dataset: h5py.Dataset, place: tuple[int, ...], filters: list[int], size_bytes: int) -> None:
    # Checked first, because read_direct_chunk may use an uninitialised size for an unwritten chunk.
    if dataset.id.get_chunk_info_by_coord(place).byte_offset is None:
        return  # h5py returns the fill value
    skipped, content = dataset.id.read_direct_chunk(place)
    stored = np.frombuffer(content, dtype=np.uint8)
    used = [number for bit, number in enumerate(filters) if not skipped >> bit & 1]
    compressor = next((number for number in used if number in _COMPRESSORS), None)
    # fletcher32 appends its checksum after compression, or before it, so that the checksum is compressed too.
    if _FLETCHER32 in (used if compressor is None else used[used.index(compressor) :]):
        stored = stored[: max(stored.size - _CHECKSUM_BYTES, 0)]
    elif _FLETCHER32 in used:
        size_bytes += _CHECKSUM_BYTES
    if compressor is not None:
        _COMPRESSORS[compressor](stored, size_bytes)
    elif stored.size != size_bytes:
        raise ValueError(f"a chunk must have {size_bytes:,} bytes, got {stored.size:,}")
