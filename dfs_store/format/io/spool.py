"""Collects an array of unknown length in a temporary file next to the new store."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Spool"]

_PIECE_BYTES = 16 * 2**20


class Spool:
    """A temporary file whose bytes are later copied to the new store.

    Args:
        path: path of the file, which must not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._file = path.open("xb")

    def append(self, values: npt.NDArray[Any]) -> None:
        """Appends the bytes of an array, in C order."""
        data = np.ascontiguousarray(values).data.cast("B")
        self._file.write(data)
        self.size_bytes += data.nbytes

    def pieces(self, length_bytes: int = _PIECE_BYTES) -> Iterator[bytes]:
        """Closes the file, yields its bytes in pieces of `length_bytes`, and removes it."""
        self._file.close()
        with self.path.open("rb") as file:
            while data := file.read(length_bytes):
                yield data
        self.path.unlink()

    def close(self) -> None:
        """Closes the file."""
        # A write error, such as a full disk, is raised again when the file is closed.
        with contextlib.suppress(OSError):
            self._file.close()
