"""How a broken rule is reported: which rule, in which file, and which frames or clip it concerns."""

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """One broken rule of a store.

    Attributes:
        message: the rule, and the value that breaks it.
        file: the file it lies in, relative to a Zarr store, the file's name of an HDF5 store.
        clip: number of the clip, where it concerns one.
        frames: (start, stop) of the key frames it concerns, numbered over the whole store.
    """

    message: str
    file: str | None = None
    clip: int | None = None
    frames: tuple[int, int] | None = None
