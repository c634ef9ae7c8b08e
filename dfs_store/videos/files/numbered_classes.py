"""Numeric labels of a list, and the files that give them class names."""

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dfs_store.errors import DatasetNotFoundError, SettingsError
from dfs_store.videos.files.cliplist import some
from dfs_store.videos.files.reading import PathLike
from dfs_store.videos.files.texts import numbered_lines, parse_fields, read_json

__all__ = ["ClassNames", "Naming", "named_labels", "read_class_names"]

_WHOLE = re.compile(r"([+-]?\d+)(?:\.0+)?")


_FRACTION = re.compile(r"[+-]?\d*\.\d+(?:e[+-]?\d+)?")
_NUMBER_FIRST = re.compile(r"\"?(\d+)\"?[\s,;:]+(\S.*)")
_NUMBER_LAST = re.compile(r"(.*\S)[\s,;:]+\"?(\d+)\"?")


class ClassNames(NamedTuple):
    """Class names by number.

    Attributes:
        by_number: name of each number; counted from 0 if the file has no numbers.
        has_numbers: whether the file states the numbers.
    """

    by_number: dict[int, str]
    has_numbers: bool


class Naming(NamedTuple):
    """How labels become class names.

    Attributes:
        name_of: maps a label of the list to its class name.
        sorted: sorts class names by number.
    """

    name_of: Callable[[str], str]
    sorted: Callable[[Iterable[str]], list[str]]


def named_labels(labels: Sequence[str], names: PathLike | Sequence[str] | None, source: Path) -> Naming:
    """Returns how the labels of a list are named and sorted.

    Without names, numbers are used as names and sorted numerically; words are sorted as Python does.

    Args:
        labels: labels of all rows of a list and of its test list.
        names: see `read_class_names`.
        source: path of the list, for messages.

    Raises:
        DatasetNotFoundError: a label is a fraction or negative, or the file of names cannot be read.
        SettingsError: a number has no name, or it is unclear whether the names start at 0 or at 1.
    """
    matches = {label: _WHOLE.fullmatch(label) for label in set(labels)}
    numbers = {label: int(match[1]) for label, match in matches.items() if match is not None}
    if fractions := sorted(
        label for label, match in matches.items() if not match and _FRACTION.fullmatch(label)
    ):
        raise DatasetNotFoundError(
            f"{source} has the label {fractions[0]}; labels must be whole numbers or words"
        )
    if len(numbers) < len(matches):
        if names is not None and (words := sorted(set(matches) - set(numbers))):
            known = set(read_class_names(names).by_number.values())
            if not set(words) <= known:
                raise SettingsError(
                    f"{source} has the label {words[0]!r}, but --class-names (class_names) is only for lists "
                    "with numbers as labels; remove it"
                )
        return Naming(lambda label: label, sorted)
    if negative := sorted(label for label, number in numbers.items() if number < 0):
        raise DatasetNotFoundError(
            f"{source} has the label {negative[0]}; labels must be numbers from 0 or 1, or words"
        )
    if names is None:
        return Naming(lambda label: str(numbers[label]), lambda found: sorted(found, key=int))
    by_number = _matched(read_class_names(names), set(numbers.values()), source)
    place = {name: number for number, name in by_number.items()}
    return Naming(lambda label: by_number[numbers[label]], lambda found: sorted(found, key=place.__getitem__))


def _matched(names: ClassNames, used: set[int], source: Path) -> dict[int, str]:
    """Returns the names by the numbers that a list uses, which may start at 0 or at 1."""
    by_number, number_of_names = names.by_number, len(names.by_number)
    if not names.has_numbers and 0 not in used:
        if number_of_names not in used:
            raise SettingsError(
                f"{source} has the labels {min(used)} to {max(used)}, and there are {number_of_names} class "
                "names, so it is unclear whether they start at 0 or at 1. Add the numbers to the file of "
                "--class-names, such as the line `1 archery`"
            )
        by_number = {number + 1: name for number, name in by_number.items()}
    if unnamed := sorted(used - set(by_number)):
        raise SettingsError(
            f"{source} has the label {some(map(str, unnamed), 5)}, which has no class name: the "
            f"{number_of_names} names have the numbers {min(by_number)} to {max(by_number)}"
        )
    return by_number


def read_class_names(names: PathLike | Sequence[str]) -> ClassNames:
    """Reads class names from JSON, or from lines that may have a number before or after the name.

    Args:
        names: a file, or the names themselves in numerical order.

    Raises:
        DatasetNotFoundError: the file does not exist or contains no names.
        SettingsError: a name or a number is repeated.
    """
    if not isinstance(names, str | os.PathLike):
        return ClassNames(_unique(enumerate(names), "class_names"), has_numbers=False)
    path = Path(names).expanduser()
    if not path.is_file():
        raise DatasetNotFoundError(f"the file of class names {path} does not exist")
    if path.suffix.lower() == ".json":
        return _from_json(read_json(path), path)
    lines = [line for _, line in numbered_lines(path) if not line.startswith("#")]
    if not lines:
        raise DatasetNotFoundError(f"{path} contains no class names")
    columns = {"name", "class", "label", "id", "class_name"} & set(parse_fields(lines[0].lower(), ","))
    if columns and any(character.isdecimal() for line in lines[1:] for character in line):
        lines = lines[1:]  # a header
    for pattern, number, name in ((_NUMBER_FIRST, 1, 2), (_NUMBER_LAST, 2, 1)):
        found = [pattern.fullmatch(line) for line in lines]
        pairs = [(int(match[number]), match[name]) for match in found if match is not None]
        if len(pairs) == len(lines) and len({count for count, _ in pairs}) == len(pairs):
            return ClassNames(_unique(pairs, str(path)), has_numbers=True)
    return ClassNames(_unique(enumerate(lines), str(path)), has_numbers=False)


def _from_json(content: object, path: Path) -> ClassNames:
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return ClassNames(_unique(enumerate(content), str(path)), has_numbers=False)
    if isinstance(content, dict) and content:
        for pairs in ([(k, v) for k, v in content.items()], [(v, k) for k, v in content.items()]):
            if all(_WHOLE.fullmatch(str(number)) for number, _ in pairs):
                return ClassNames(
                    _unique([(int(n), str(name)) for n, name in pairs], str(path)), has_numbers=True
                )
    raise DatasetNotFoundError(
        f"{path} must be a JSON list of class names, or an object that maps names to numbers, got "
        f"{json.dumps(content):.80}"
    )


def _unique(pairs: Iterable[tuple[int, str]], source: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, name in pairs:
        plain = str(name).strip().strip('"').strip()
        if not plain or number in found or plain in found.values():
            raise SettingsError(
                f"{source}: the name {plain!r} of class {number} is empty or repeated; every class needs its "
                "own name and number"
            )
        found[number] = plain
    return found
