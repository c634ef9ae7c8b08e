"""What a file to import holds: named arrays that are not read yet, and which of them are clips and labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from dfs_store.errors import SettingsError, UnreadableClipsError

__all__ = ["CLIP_DTYPES", "FoundArray", "named", "pick_clips", "pick_labels"]

Array = npt.NDArray[Any]

CLIP_DTYPES = ("uint8", "float16", "bfloat16", "float32", "float64")
_LABEL_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
# How the field's scripts call them, the likeliest first.
_CLIP_WORDS = ("image_syn", "images_syn", "syn", "clips", "videos", "video", "images", "image", "data", "x")
_LABEL_WORDS = ("label_syn", "labels_syn", "labels", "label", "targets", "target", "y")
_SHOWN = 12


@dataclass(frozen=True)
class FoundArray:
    """An array in a file.

    Attributes:
        name: where it lies in the file, parts joined by dots ("data.0.1"); "" where it is the whole file.
        shape: of the array.
        dtype: as NumPy names it, or "bfloat16"; "str" for texts.
        items: yields it along its first axis, one item in memory at a time.
        whole: reads all of it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    items: Callable[[], Iterator[Array]]
    whole: Callable[[], Array]

    @property
    def word(self) -> str:
        """The last part of its name, in lower case."""
        return self.name.rpartition(".")[2].lower()

    def __str__(self) -> str:
        return f"{self.name or 'the array'} {self.shape} {self.dtype}"


def named(arrays: Sequence[FoundArray], words: Sequence[str]) -> FoundArray | None:
    """Returns the first array whose name ends in one of some words, the first word first; None without."""
    return next((each for word in words for each in arrays if each.word == word), None)


def pick_clips(arrays: Sequence[FoundArray], key: str | None, file: str) -> FoundArray:
    """Returns the array of clips: the one that is asked for, or the only one that can be.

    Raises:
        SettingsError: there is more than one, or none of that name.
        UnreadableClipsError: there is none.
    """
    if key is not None:
        return _by_key(arrays, key, "--clips-key", file)
    fitting = [each for each in arrays if len(each.shape) == 5 and each.dtype in CLIP_DTYPES]
    if not fitting:
        raise UnreadableClipsError(
            f"{file} holds no array of clips, (N, T, C, H, W) or (N, C, T, H, W) of "
            f"{', '.join(CLIP_DTYPES)}; it holds {_some(arrays)}"
        )
    known = [each for each in fitting if each.word in _CLIP_WORDS]
    for choice in (fitting, known):
        if len(choice) == 1:
            return choice[0]
    raise SettingsError(
        f"{file} holds more than one array that could be the clips: {_some(fitting)}; "
        f"say which with --clips-key, such as --clips-key {fitting[0].name}"
    )


def pick_labels(
    arrays: Sequence[FoundArray], clips: FoundArray | None, num_clips: int, key: str | None, file: str
) -> FoundArray | None:
    """Returns the array of labels: the one asked for, or the only (num_clips,) of whole numbers or texts.

    Those that lie beside the clips come first, then those that are called labels.

    Raises:
        SettingsError: there is more than one, or none of that name.
    """
    if key is not None:
        return _by_key(arrays, key, "--labels-key", file)
    fitting = [each for each in arrays if each.shape == (num_clips,) and _could_be_labels(each)]
    beside = [] if clips is None else [each for each in fitting if _folder(each) == _folder(clips)]
    known = [each for each in fitting if each.word in _LABEL_WORDS]
    both = [each for each in beside if each in known]
    for choice in (both, known, beside, fitting):
        if len(choice) == 1:
            return choice[0]
    if not fitting:
        return None
    raise SettingsError(
        f"{file} holds more than one array that could be the labels: {_some(fitting)}; "
        f"say which with --labels-key, such as --labels-key {fitting[0].name}"
    )


def _could_be_labels(array: FoundArray) -> bool:
    if array.dtype in _LABEL_DTYPES:
        return True
    return (array.dtype in ("float32", "float64") or array.dtype == "str") and array.word in _LABEL_WORDS


def _folder(array: FoundArray) -> str:
    return array.name.rpartition(".")[0]


def _by_key(arrays: Sequence[FoundArray], key: str, flag: str, file: str) -> FoundArray:
    for each in arrays:
        if each.name == key:
            return each
    raise SettingsError(f"{flag} {key!r} is not in {file}; it holds {_some(arrays)}")


def _some(arrays: Sequence[FoundArray]) -> str:
    shown = ", ".join(str(each) for each in arrays[:_SHOWN]) or "no array at all"
    return shown + (f" and {len(arrays) - _SHOWN} more" if len(arrays) > _SHOWN else "")
