"""Defines the report of a broken rule."""

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """One broken rule of a store.

    Attributes:
        message: the rule, and the value that breaks it.
        file: path of the file or array within the store, if known.
        clip: number of the clip, if the problem affects one.
        frames: (start, stop) of the affected key frames, numbered across the whole store.
    """

    message: str
    file: str | None = None
    clip: int | None = None
    frames: tuple[int, int] | None = None
