"""key_frames of an HDF5 store: mapped from the file, or expanded chunk by chunk without h5py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.expand import expand
from dfs_store.format.hdf5.mapped import H5_ERRORS, Hdf5File, damaged, open_mapped, place_of
from dfs_store.format.io.place import Place
from dfs_store.format.problems import Problem
from dfs_store.format.spec import FRAME_DTYPES, FRAMES, frame_size_bytes

__all__ = ["Hdf5Frames"]

_FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "deflate",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_SZIP: "szip",
    h5py.h5z.FILTER_NBIT: "nbit",
    h5py.h5z.FILTER_SCALEOFFSET: "scaleoffset",
}


@dataclass(frozen=True)
class _Chunks:
    """Where compressed frames lie: an array of S each; bit n of a frame's `skipped` leaves filter n out."""

    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    skipped: npt.NDArray[np.int64]


class Hdf5Frames:
    """Frames of the dataset key_frames (see `dfs_store.format.container.FrameSource`).

    Safe for threads and under fork without a lock, which a fork could inherit locked. The file is the one
    that was opened, whatever takes its path later.
    """

    def __init__(self, path: Place, dataset: h5py.Dataset, mapped: Hdf5File) -> None:
        self.shape: tuple[int, ...] = dataset.shape
        self._path = path.absolute()
        known = {np.dtype(stored): name for name, stored in FRAME_DTYPES.items()}
        if dataset.dtype not in known or dataset.ndim != 4:
            raise DamagedStoreError(
                f"{path}: {FRAMES} must have four dimensions of little-endian {', '.join(FRAME_DTYPES)}, "
                f"got shape {dataset.shape} of {dataset.dtype.str}"
            )
        self.dtype = known[dataset.dtype]
        self._frame_bytes = frame_size_bytes(self.shape[1:], self.dtype)
        self._chunked = dataset.chunks is not None
        if self._chunked and dataset.chunks != (1, *dataset.shape[1:]):
            raise DamagedStoreError(
                f"{path}: a chunk of {FRAMES} must be one frame, (1, C, H, W), got {dataset.chunks}"
            )
        self._filters = _filters(dataset, path)
        self._offset = 0 if self._chunked else place_of(dataset, mapped, path)
        self._num_chunks = dataset.id.get_num_chunks() if self._chunked else 0
        self._chunks: _Chunks | None = None
        self._file: Hdf5File | None = mapped

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Looks for frames that were never written; the sizes of contiguous frames were checked before."""
        if self._chunked and self._num_chunks != self.shape[0]:
            return [
                Problem(
                    f"{self._path}: {FRAMES} holds {self._num_chunks} of {self.shape[0]} frames",
                    self._path.name,
                    frames=(0, self.shape[0]),
                )
            ]
        return []

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop as stored, read-only; a view of the file unless compressed."""
        if self._chunked:
            return self.read_spans([(start, stop)])[0]
        assert self._file is not None
        first, size = self._offset, self._frame_bytes
        (data,) = self._file.parts([(first + start * size, first + stop * size)])
        return data.view(FRAME_DTYPES[self.dtype]).reshape(stop - start, *self.shape[1:])

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of frames, each as `read` does; a server is asked for all of them at once."""
        assert self._file is not None
        size = self._frame_bytes
        if not self._chunked:
            first = self._offset
            found = self._file.parts([(first + start * size, first + stop * size) for start, stop in spans])
            return [self._shaped(data) for data in found]
        chunks = self._chunks
        if chunks is None:
            # At the first read, as it takes 1.4 us a frame; two threads would find the same.
            chunks = self._chunks = self._find_chunks(self._file.size_bytes)
        frames = [frame for start, stop in spans for frame in range(start, stop)]
        begins, sizes = chunks.starts[frames].tolist(), chunks.sizes[frames].tolist()
        stored = self._file.parts(
            [(begin, begin + length) for begin, length in zip(begins, sizes, strict=True)]
        )
        expanded = map(self._expand, stored, frames, chunks.skipped[frames].tolist())
        return [
            self._shaped(np.concatenate([next(expanded) for _ in range(start, stop)]))
            for start, stop in spans
        ]

    def _shaped(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        data.setflags(write=False)
        return data.view(FRAME_DTYPES[self.dtype]).reshape(-1, *self.shape[1:])

    def file_of(self, frame: int) -> str:
        """Returns the name of the file."""
        return self._path.name

    def close(self) -> None:
        """Lets go of the map; arrays handed out keep theirs."""
        self._file = None

    def _expand(self, stored: npt.NDArray[np.uint8], frame: int, skipped: int) -> npt.NDArray[np.uint8]:
        """Returns the bytes of a compressed frame; bit n of `skipped` leaves filter n out."""
        try:
            for number, name in reversed(list(enumerate(self._filters))):
                if skipped >> number & 1:
                    continue
                if name == "deflate":
                    stored = expand("zlib", stored, self._frame_bytes)
                elif stored.size == self._frame_bytes:
                    # The first bytes of all values lie together, then all second ones.
                    stored = stored.reshape(np.dtype(FRAME_DTYPES[self.dtype]).itemsize, -1).T.reshape(-1)
        except ValueError as error:
            raise damaged(self._path, f"frame {frame} cannot be expanded", error) from error
        if stored.size != self._frame_bytes:
            raise DamagedStoreError(
                f"{self._path}: frame {frame} has {stored.size:,} bytes, it must have {self._frame_bytes:,}"
            )
        return stored

    def _find_chunks(self, size_bytes: int) -> _Chunks:
        """Asks HDF5 where every compressed frame lies."""
        assert self._file is not None
        found = []
        try:
            with open_mapped(self._file) as file:
                file[FRAMES].id.chunk_iter(
                    lambda chunk: found.append(
                        (*chunk.chunk_offset, chunk.byte_offset, chunk.size, chunk.filter_mask)
                    )
                )
            # Python's ints do not wrap around where numpy's would.
            for frame, *_, begin, size, _ in found:
                if not (0 <= frame < self.shape[0] and 0 <= begin <= begin + size <= size_bytes):
                    raise DamagedStoreError(
                        f"{self._path}: frame {frame} claims bytes {begin:,} + {size:,}, "
                        f"the file has {size_bytes:,}"
                    )
            found.sort()
            if [chunk[0] for chunk in found] != list(range(self.shape[0])):
                raise DamagedStoreError(
                    f"{self._path}: {FRAMES} lacks the place of a frame, or has two of one"
                )
        except DamagedStoreError:
            raise
        except H5_ERRORS as error:
            raise damaged(self._path, f"the places of {FRAMES} cannot be read", error, self._file) from error
        self._file.forget()
        columns = np.array(found, dtype=np.int64).reshape(-1, len(self.shape) + 3).T
        return _Chunks(*columns[len(self.shape) :])


def _filters(dataset: h5py.Dataset, path: Place) -> list[str]:
    """Returns the filters that frames were put through, in that order.

    Raises:
        DamagedStoreError: they are not those that the format allows.
    """
    settings = dataset.id.get_create_plist()
    numbers = [settings.get_filter(place)[0] for place in range(settings.get_nfilters())]
    names = [_FILTERS.get(number, f"filter {number}") for number in numbers]
    if names not in ([], ["deflate"], ["shuffle", "deflate"]):
        raise DamagedStoreError(
            f"{path}: {FRAMES} may be compressed by deflate (gzip), after shuffle or not, "
            f"got {', '.join(names)}"
        )
    return names
