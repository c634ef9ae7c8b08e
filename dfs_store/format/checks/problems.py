"""The report of a broken rule."""

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """One broken rule of a store.

    Attributes:
        message: the rule, and the value that breaks it.
        file: the file, relative to a Zarr store, or the file name of an HDF5 store.
        clip: number of the clip, if it concerns one.
        frames: (start, stop) of the key frames it concerns, in the numbering of the store.
    """

    message: str
    file: str | None = None
    clip: int | None = None
    frames: tuple[int, int] | None = None
