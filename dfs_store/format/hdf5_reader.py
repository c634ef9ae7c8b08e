"""Reads the HDF5 container. h5py finds where things lie; uncompressed frames are then mapped."""

import io
import math
import stat
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError
from dfs_store.format.container import FrameSource
from dfs_store.format.digest import parse_json
from dfs_store.format.files import MappedFile
from dfs_store.format.hdf5_heap import check_text_heap
from dfs_store.format.problems import Problem
from dfs_store.format.spec import ATTRIBUTE, FRAME_DTYPES, FRAMES, MAX_HEADER_BYTES

__all__ = ["Hdf5Reader"]

# What h5py raises on a file whose structures are damaged, besides DamagedStoreError.
_H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Hdf5Reader:
    """An HDF5 file (see `dfs_store.format.container.ContainerReader`).

    The file stays open from the first call until `close`, which comes before a store is handed out: nothing
    of h5py is held across threads or a fork.
    """

    container = "hdf5"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        self._mapped: MappedFile | None = None
        try:
            mode = path.stat().st_mode
            start = b""
            if stat.S_ISREG(mode):
                with path.open("rb") as file:
                    start = file.read(len(_SIGNATURE))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreNotFoundError(f"{path}: there is no such store") from error
        except OSError as error:
            raise NotAStoreError(f"{path}: cannot be read ({error.strerror})") from error
        if start != _SIGNATURE:
            raise NotAStoreError(f"{path}: does not start as an HDF5 file does, so it is no store")

    def attributes(self) -> Any:  # noqa: ANN401 - whatever JSON held
        """Returns the parsed root attribute."""
        try:
            file, mapped = self._open()
            if ATTRIBUTE not in file.attrs:
                raise NotAStoreError(
                    f"{self.path}: an HDF5 file without the attribute {ATTRIBUTE!r} is no store"
                )
            return parse_json(_text(file, mapped, self.path))
        except NotAStoreError:
            raise
        except _H5_ERRORS as error:
            raise _damaged(self.path, "cannot be read", error) from error

    def array(self, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any] | None:
        """Returns a small array, or one of a group, or None where there is none."""
        try:
            file, mapped = self._open()
            dataset = _dataset(file, name, self.path)
            if dataset is None:
                return None
            wanted = np.dtype(dtype)
            if dataset.dtype != wanted:
                raise DamagedStoreError(
                    f"{self.path}: {name} must be little-endian {wanted.name}, got {dataset.dtype.str}"
                )
            if shape is not None and dataset.shape != shape:
                raise DamagedStoreError(f"{self.path}: {name} must have shape {shape}, got {dataset.shape}")
            if dataset.chunks is not None:
                raise DamagedStoreError(f"{self.path}: {name} must be contiguous and without filters")
            _place(dataset, mapped, self.path)
            return np.asarray(dataset[...])
        except DamagedStoreError:
            raise
        except _H5_ERRORS as error:
            raise _damaged(self.path, f"{name} cannot be read", error) from error

    def frames(self) -> FrameSource:
        """Returns key_frames without reading any."""
        try:
            file, mapped = self._open()
            dataset = _dataset(file, FRAMES, self.path)
            if dataset is None:
                raise DamagedStoreError(f"{self.path}: the array {FRAMES} is missing")
            return Hdf5Frames(self.path, dataset, mapped)
        except DamagedStoreError:
            raise
        except _H5_ERRORS as error:
            raise _damaged(self.path, f"{FRAMES} cannot be read", error) from error

    def close(self) -> None:
        """Closes the file; what is asked later opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = self._mapped = None

    def _open(self) -> tuple[h5py.File, MappedFile]:
        """Returns the open file, for what h5py reads, and the same one mapped."""
        if self._file is None or self._mapped is None:
            self._file = h5py.File(self.path, "r")
            self._mapped = MappedFile(str(self.path), self._file.id.get_vfd_handle())
        return self._file, self._mapped

    def was_replaced(self) -> bool:
        """Returns False: all is read through one open file, whatever takes its name."""
        return False

    def on_disk_bytes(self) -> int:
        """Returns the bytes of the file."""
        return self.path.stat().st_size


class Hdf5Frames:
    """Frames of the dataset key_frames (see `dfs_store.format.container.FrameSource`).

    Safe for threads and under fork without a lock, which a fork could inherit locked. The file is the one
    that was opened, whatever takes its path later.
    """

    def __init__(self, path: Path, dataset: h5py.Dataset, mapped: MappedFile) -> None:
        self.shape: tuple[int, ...] = dataset.shape
        self._path = path.absolute()
        known = {np.dtype(stored): name for name, stored in FRAME_DTYPES.items()}
        if dataset.dtype not in known or dataset.ndim != 4:
            raise DamagedStoreError(
                f"{path}: {FRAMES} must have four dimensions of little-endian {', '.join(FRAME_DTYPES)}, "
                f"got shape {dataset.shape} of {dataset.dtype.str}"
            )
        self.dtype = known[dataset.dtype]
        self._compressed = dataset.chunks is not None
        if self._compressed and dataset.chunks != (1, *dataset.shape[1:]):
            raise DamagedStoreError(
                f"{path}: a chunk of {FRAMES} must be one frame, (1, C, H, W), got {dataset.chunks}"
            )
        self._offset = 0 if self._compressed else _place(dataset, mapped, path)
        self._num_chunks = dataset.id.get_num_chunks() if self._compressed else 0
        self._file: MappedFile | None = mapped
        self._bytes = math.prod(self.shape) * dataset.dtype.itemsize

    def problems(self) -> list[Problem]:
        """Looks for frames that were never written; the sizes of contiguous frames were checked before."""
        if self._compressed and self._num_chunks != self.shape[0]:
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
        assert self._file is not None
        content = self._file.bytes()
        if not self._compressed:
            frames = content[self._offset : self._offset + self._bytes]
            return frames.view(FRAME_DTYPES[self.dtype]).reshape(self.shape)[start:stop]
        try:
            with h5py.File(_MappedBytes(content), "r") as file:
                expanded = np.asarray(file[FRAMES][start:stop])
        except _H5_ERRORS as error:
            raise _damaged(self._path, f"frames {start}..{stop} cannot be expanded", error) from error
        expanded.setflags(write=False)
        return expanded

    def file_of(self, frame: int) -> str:
        """Returns the name of the file."""
        return self._path.name

    def close(self) -> None:
        """Lets go of the map; arrays handed out keep theirs."""
        self._file = None


class _MappedBytes(io.RawIOBase):
    """Mapped bytes as a file for h5py, which itself opens names alone: the name may be another's now."""

    def __init__(self, content: npt.NDArray[np.uint8]) -> None:
        self._content = content
        self._place = 0

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        part = self._content[self._place : self._place + len(buffer)]
        buffer[: part.size] = part.data
        self._place += part.size
        return part.size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._content.size}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place


def _text(file: h5py.File, mapped: MappedFile, path: Path) -> str | bytes:
    """Returns the attribute's text once its type says that it is one text of bounded size."""
    attribute = h5py.h5a.open(file.id, ATTRIBUTE.encode())
    if attribute.shape != () or attribute.get_storage_size() > MAX_HEADER_BYTES:
        raise DamagedStoreError(f"{path}: the attribute {ATTRIBUTE!r} must be one text")
    check_text_heap(str(path), mapped.bytes(), h5py.h5o.get_info(file.id).addr, ATTRIBUTE.encode())
    text = file.attrs[ATTRIBUTE]
    if not isinstance(text, str | bytes):
        raise DamagedStoreError(
            f"{path}: the attribute {ATTRIBUTE!r} must be text, got {type(text).__name__}"
        )
    if len(text) > MAX_HEADER_BYTES:
        raise DamagedStoreError(
            f"{path}: the attribute {ATTRIBUTE!r} has more than {MAX_HEADER_BYTES:,} bytes"
        )
    return text


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset | None:
    """Returns a dataset whose bytes lie in this file, or None where there is none of that name.

    Raises:
        DamagedStoreError: it is a link, or takes its values from elsewhere: such a file could show
            the contents of any other file of the reader's.
    """
    steps = name.split("/")
    for part in ("/".join(steps[: number + 1]) for number in range(len(steps))):
        link = file.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise DamagedStoreError(f"{path}: {part} must lie in this file, got a {type(link).__name__}")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DamagedStoreError(f"{path}: {name} must be a dataset, got a {type(dataset).__name__}")
    if dataset.is_virtual or dataset.external:
        raise DamagedStoreError(
            f"{path}: {name} takes its values from other files; a store must hold its own"
        )
    return dataset


def _place(dataset: h5py.Dataset, mapped: MappedFile, path: Path) -> int:
    """Returns where a contiguous dataset starts in the file, after comparing its size with the file's.

    Raises:
        DamagedStoreError: it was never written, or the file is too short for it.
    """
    name = dataset.name.strip("/")
    # Python ints, so that no claimed shape can overflow into a small number.
    claimed = math.prod(int(side) for side in dataset.shape) * dataset.dtype.itemsize
    offset, size = dataset.id.get_offset(), mapped.size_bytes
    if dataset.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS or offset is None:
        raise DamagedStoreError(f"{path}: {name} must be contiguous and written, got no place in the file")
    if offset + claimed > size:
        raise DamagedStoreError(
            f"{path}: {name} of shape {dataset.shape} needs bytes {offset:,} + {claimed:,}, "
            f"the file has {size:,}"
        )
    return int(offset)


def _damaged(path: Path, what: str, error: BaseException) -> DamagedStoreError:
    if isinstance(error, DamagedStoreError):
        return error
    return DamagedStoreError(f"{path}: {what} ({error})")
