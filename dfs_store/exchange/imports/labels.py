"""Reads the labels and class names of imported clips from files, options or the number of clips per class."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dfs_store.errors import DatasetNotFoundError, SettingsError, UnreadableClipsError
from dfs_store.exchange.imports.arrays import Array
from dfs_store.format.io.reading import parse_json, read_named
from dfs_store.names import counted, known_name

__all__ = [
    "Labels",
    "check_counts",
    "class_names_of",
    "counted_labels",
    "is_one_hot",
    "labels_of",
    "read_lines",
]


_MOST_NAME = 1000
_MOST_CLASSES, _MOST_CLIPS = 10**6, 10**7  # more than in any dataset; limits the memory
_MOST_DIGITS = 40
_MOST_LIST_BYTES = 2**28


class Labels(NamedTuple):
    """The labels of N clips.

    Attributes:
        numbers: one label per clip.
        class_names: names of the classes, indexed by label.
    """

    numbers: list[int]
    class_names: list[str]

    def notes(self) -> list[str]:
        """Returns a warning if there are classes without clips, usually because the labels start at 1."""
        empty = sorted(set(range(len(self.class_names))) - set(self.numbers))
        if not empty:
            return []
        shown = ", ".join(self.class_names[label] for label in empty[:5]) + (", ..." if empty[5:] else "")
        first = min(self.numbers)
        hint = f"; if the labels in the file start at {first}, save labels - {first}" if empty[0] == 0 else ""
        return [
            f"labels range from {first} to {max(self.numbers)}, and {len(empty)} of "
            f"{len(self.class_names)} classes have no clips ({shown}){hint}"
        ]


def class_names_of(text: str | None) -> list[str] | None:
    """Parses `--classes`: a file with one name per line or a JSON list, or names separated by commas.

    Raises:
        SettingsError: there are no names, or a name is repeated.
    """
    if text is None:
        return None
    path = Path(text)
    is_list = path.exists() and not path.is_dir()  # includes pipes: --classes <(...)
    names = read_lines(path) if is_list else [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingsError(f"--classes must contain at least one name, got {text!r}")
    for name, count in Counter(names).items():
        if count > 1:
            raise SettingsError(f"--classes must contain each name once, got {name!r} {count} times")
    return names


def read_lines(path: Path) -> list[str]:
    """Reads strings or numbers from a JSON list (.json), or from a text file with one per line.

    Raises:
        DatasetNotFoundError: the file does not exist.
        UnreadableClipsError: the file does not contain such a list.
    """
    try:
        text = read_named(path, _MOST_LIST_BYTES).decode("utf-8-sig")
        if path.suffix.lower() != ".json":
            return [line.strip() for line in text.splitlines() if line.strip()]
        content = parse_json(text)
    except FileNotFoundError:
        raise DatasetNotFoundError(f"{path} does not exist; check the path") from None
    except (OSError, ValueError) as error:
        raise UnreadableClipsError(
            f"{path} cannot be read as a list of names or labels ({error}); write one per line in UTF-8, or "
            "a JSON list"
        ) from error
    if not isinstance(content, list) or not all(isinstance(each, str | int) for each in content):
        raise UnreadableClipsError(
            f"{path} must contain a JSON list of names or whole numbers, got {content!r:.80}"
        )
    return [str(each) for each in content]


def check_counts(shape: tuple[int, ...], what: str) -> None:
    """Checks the numbers of clips and classes in an array of labels before the array is read.

    Raises:
        SettingsError: the numbers are larger than in any dataset, for example because a small file would
            decompress to a huge array.
    """
    for count, most, name in zip(shape[:2], (_MOST_CLIPS, _MOST_CLASSES), ("clips", "classes"), strict=False):
        if count > most:
            raise SettingsError(
                f"{what} of shape {shape}: at most {most:,} {name} can be imported, got {count:,}; "
                "split the file"
            )


def counted_labels(num_clips: int, clips_per_class: int, names: Sequence[str] | None) -> Labels:
    """Returns the labels of clips that are sorted by class.

    Raises:
        SettingsError: the number of clips is not a multiple of `clips_per_class`, or there are too few names.
    """
    if clips_per_class < 1 or num_clips % clips_per_class:
        raise SettingsError(
            f"--clips-per-class must divide the number of clips ({num_clips}), got {clips_per_class}"
        )
    labels = np.repeat(np.arange(num_clips // clips_per_class), clips_per_class)
    return _with_names(labels.tolist(), names, f"--clips-per-class {clips_per_class}")


def labels_of(array: Array, num_clips: int, names: Sequence[str] | None, what: str) -> Labels:
    """Reads labels that are whole numbers, class names or one-hot vectors.

    Args:
        array: labels of the clips.
        num_clips: N, the number of clips.
        names: class names; derived from the labels if None.
        what: description of the array for error messages.

    Raises:
        SettingsError: there is not exactly one label per clip, or a label does not refer to a class.
    """
    if array.shape == (num_clips, 1):
        array = array[:, 0]
    if array.shape[:1] != (num_clips,) or array.ndim > 2:
        raise SettingsError(
            f"{what} must contain one label per clip, with shape ({num_clips},), got shape {array.shape}"
        )
    if array.ndim == 2:
        if not is_one_hot(array):
            raise SettingsError(
                f"{what} contains soft labels of shape {array.shape}, but only one class per clip can be "
                "imported; save labels.argmax(1) instead"
            )
        if names is not None and len(names) != array.shape[1]:
            raise SettingsError(
                f"{what} contains one-hot labels of {counted(array.shape[1], 'class')}, but there are "
                f"{counted(len(names), 'class name')}; name each class once"
            )
        names = names or [f"class_{label}" for label in range(array.shape[1])]
        array = array.argmax(1)
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    if array.dtype.kind in "fiub":
        are_whole = np.isfinite(array) & (array == np.rint(array))
        if not are_whole.all():
            raise SettingsError(
                f"{what} must contain whole numbers or class names, got {array[~are_whole][0]}"
            )
        return _with_names([int(each) for each in array.tolist()], names, what)
    texts = [str(each) for each in array.tolist()]
    if (longest := max(texts, key=len, default="")) and len(longest) > _MOST_NAME:
        raise SettingsError(
            f"{what} must contain class names of at most {_MOST_NAME:,} characters, got {len(longest):,}"
        )
    if all(re.fullmatch(rf"-?[0-9]{{1,{_MOST_DIGITS}}}", text) for text in texts):
        return _with_names([int(text) for text in texts], names, what)
    return _by_name(texts, names, what)


def is_one_hot(array: Array) -> bool:
    """Returns whether every row of an array (N, classes) consists of a single 1 and zeros."""
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        return False
    return bool((((array == 0) | (array == 1)).all(1) & ((array == 1).sum(1) == 1)).all())


def _by_name(texts: list[str], names: Sequence[str] | None, what: str) -> Labels:
    known = sorted(set(texts)) if names is None else list(names)
    if unknown := sorted(set(texts) - set(known)):
        known_name(unknown[0], known, f"{what}: every label")
    number = {name: label for label, name in enumerate(known)}
    return Labels([number[text] for text in texts], known)


def _with_names(numbers: list[int], names: Sequence[str] | None, what: str) -> Labels:
    largest, smallest = max(numbers), min(numbers)
    if smallest < 0 or largest >= _MOST_CLASSES:
        wrong = smallest if smallest < 0 else largest
        raise SettingsError(f"{what}: labels must be numbers from 0 to {_MOST_CLASSES - 1:,}, got {wrong}")
    if names is None:
        return Labels(numbers, [f"class_{label}" for label in range(largest + 1)])
    if largest >= len(names):
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        hint = ". These labels start at 1; save labels - 1" if smallest == 1 and largest == len(names) else ""
        raise SettingsError(
            f"{what}: the largest label is {largest}, but there are {counted(len(names), 'class name')} "
            f"({shown}); labels must start at 0 and follow the order of --classes{hint}"
        )
    return Labels(numbers, list(names))
