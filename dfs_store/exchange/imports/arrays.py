"""Represents the named arrays in a file to import, and selects the clips and labels from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from dfs_store.errors import SettingsError, UnreadableClipsError

__all__ = ["CLIP_DTYPES", "Array", "FoundArray", "named", "pick_clips", "pick_labels"]

Array = npt.NDArray[Any]

CLIP_DTYPES = ("uint8", "float16", "bfloat16", "float32", "float64")
_LABEL_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
# Common names in research code, most likely first.
_CLIP_WORDS = ("image_syn", "images_syn", "syn", "clips", "videos", "video", "images", "image", "data", "x")
_LABEL_WORDS = ("label_syn", "labels_syn", "labels", "label", "targets", "target", "y")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class FoundArray:
    """A lazily read array in a file.

    Attributes:
        name: path in the file, joined by dots, for example "data.0.1"; "" if the file is a single array.
        shape: shape of the array.
        dtype: NumPy's name of the dtype, "bfloat16", or "str" for strings.
        items: yields the items along the first axis, with one item in memory at a time.
        whole: reads the whole array.
        is_part: whether the array is part of a larger one, and is therefore used only if its name is given.
        labels: labels of the clips, if the nesting of lists and dictionaries determines them.
        is_keyed: whether these labels are the keys of a dictionary.
        last: if the array was joined from sets of clips of equal size (classes or versions), the last set.
        asks_layout: whether `--layout` must be set, because the array may contain images.
        note: remark for the user if the array is used.
        problem: the reason that the array cannot be used; "" if it can be used.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    items: Callable[[], Iterator[Array]]
    whole: Callable[[], Array]
    is_part: bool = False
    labels: "FoundArray | None" = None
    is_keyed: bool = False
    last: "FoundArray | None" = None
    asks_layout: bool = False
    note: str = ""
    problem: str = ""

    @property
    def word(self) -> str:
        """The last component of the name in lower case."""
        return self.name.rpartition(".")[2].lower()

    def __str__(self) -> str:
        return f"{self.name or 'the array'} {self.shape} {self.dtype}"


def named(arrays: Sequence[FoundArray], words: Sequence[str]) -> FoundArray | None:
    """Returns an array whose name ends in one of the words, tried in order, or None if there is none."""
    return next((each for word in words for each in arrays if each.word == word), None)


def pick_clips(arrays: Sequence[FoundArray], key: str | None, file: str) -> FoundArray:
    """Returns the array called `key`, or the only array that could be the clips if `key` is None.

    Raises:
        SettingsError: no array is called `key`, or several arrays could be the clips.
        UnreadableClipsError: no array could be the clips.
    """
    if key is not None:
        return _by_key(arrays, key, "--clips-key", file)
    whole = [each for each in arrays if not each.is_part]
    fitting = [each for each in whole if len(each.shape) == 5 and each.dtype in CLIP_DTYPES]
    memories = [each for word in ("static", "dynamic") for each in arrays if word in each.name.lower()]
    if len({"dynamic" in each.name.lower() for each in memories}) == 2:
        raise UnreadableClipsError(
            f"{file} contains static and dynamic memories ({_some(memories)}), from which the original "
            "program's network generates clips; save the generated clips, or choose an array with --clips-key"
        )
    if not fitting:
        problem = next((each.problem for each in whole if each.problem), "")
        raise UnreadableClipsError(f"{file}: {problem}" if problem else _no_clips(whole, file))
    known = [each for each in fitting if each.word in _CLIP_WORDS]
    if len(fitting) == 1:
        return fitting[0]
    if len(known) == 1:
        others = _some([each for each in fitting if each is not known[0]])
        note = f"{known[0].name} was used as the clips, not {others}; use --clips-key to select another"
        return replace(known[0], note=note)
    raise SettingsError(
        f"{file} contains several arrays that could be the clips: {_some(fitting)}; choose one, for example "
        f"with --clips-key {fitting[0].name}"
    )


def pick_labels(
    arrays: Sequence[FoundArray], clips: FoundArray | None, num_clips: int, key: str | None, file: str
) -> FoundArray | None:
    """Returns the array called `key`, or the only array of integers or strings with shape (num_clips,).

    Arrays with a name such as "labels" are preferred, then arrays next to the clips. Returns None if no array
    could be the labels.

    Raises:
        SettingsError: no array is called `key`, or several arrays could be the labels.
    """
    if key is not None:
        return _by_key(arrays, key, "--labels-key", file)
    arrays = [
        each for each in arrays if each is not clips and (not each.is_part or clips is None or clips.is_part)
    ]
    beside = [] if clips is None else [each for each in arrays if _folder(each) == _folder(clips)]
    fitting = [
        each
        for each in arrays
        if each.shape[:1] == (num_clips,)
        and (_could_be_labels(each) or (beside == [each] and _could_be_one_hot(each)))
    ]
    beside = [each for each in fitting if each in beside]
    known = [each for each in fitting if each.word in _LABEL_WORDS]
    both = [each for each in beside if each in known]
    for choice in (both, known, beside, fitting):
        if len(choice) == 1:
            return choice[0]
    if not fitting:
        return None
    raise SettingsError(
        f"{file} contains several arrays that could be the labels: {_some(fitting)}; choose one, for example "
        f"with --labels-key {fitting[0].name}"
    )


def _could_be_labels(array: FoundArray) -> bool:
    is_called = array.word in _LABEL_WORDS
    if len(array.shape) == 1 and (array.dtype in _LABEL_DTYPES or array.dtype == "bool"):
        return True
    return is_called and ((array.shape[1:] == () and array.dtype == "str") or _could_be_one_hot(array))


def _could_be_one_hot(array: FoundArray) -> bool:
    kinds = (*_LABEL_DTYPES, "bool", "str", "float16", "bfloat16", "float32", "float64")
    return len(array.shape) in (1, 2) and array.dtype in kinds


def _no_clips(arrays: Sequence[FoundArray], file: str) -> str:
    numbers = [each for each in arrays if each.dtype in CLIP_DTYPES]
    integers = [each for each in arrays if len(each.shape) == 5]
    hint = ""
    if integers:
        hint = f"; save {integers[0].name or 'the array'} as uint8 (0 to 255) or float32"
    elif any(len(each.shape) == 4 for each in numbers):
        hint = (
            "; an array with four axes may be images, one clip, or grey clips. Save one clip as clip[None], "
            "and grey clips (N, T, H, W) as clips[:, :, None]"
        )
    return (
        f"{file} contains no array of clips, which must have shape (N, T, C, H, W) or (N, C, T, H, W) and "
        f"dtype {', '.join(CLIP_DTYPES)}; it contains {_some(arrays)}{hint}"
    )


def _folder(array: FoundArray) -> str:
    return array.name.rpartition(".")[0]


def _by_key(arrays: Sequence[FoundArray], key: str, flag: str, file: str) -> FoundArray:
    for each in arrays:
        if each.name == key and not each.problem:
            return each
    raise SettingsError(f"{flag} {key!r} is not in {file}, which contains {_some(arrays)}")


def _some(arrays: Sequence[FoundArray]) -> str:
    shown = ", ".join(str(each) for each in arrays[:_SHOWN]) or "no arrays"
    return shown + (f" and {len(arrays) - _SHOWN} more" if len(arrays) > _SHOWN else "")
