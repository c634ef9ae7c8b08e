"""Names and sorts the labels of a list, with a file of class names if the labels are numbers."""

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dfs_store.errors import DatasetNotFoundError, SettingsError
from dfs_store.names import some
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
        by_number: name of each class by number. If the names have no numbers, they are numbered from 0.
        has_numbers: whether the names have numbers.
    """

    by_number: dict[int, str]
    has_numbers: bool


class Naming(NamedTuple):
    """Conversion of labels to class names.

    Attributes:
        name_of: maps a label of the list to its class name.
        sorted: sorts class names by number.
    """

    name_of: Callable[[str], str]
    sorted: Callable[[Iterable[str]], list[str]]


def named_labels(labels: Sequence[str], names: PathLike | Sequence[str] | None, source: Path) -> Naming:
    """Determines how the labels of a list are named and sorted.

    If there are no names, numbers are used as names and sorted numerically. Words are sorted in Python's
    order.

    Args:
        labels: labels of all rows of a list and of its test list.
        names: see `read_class_names`.
        source: path of the list, for error messages.

    Raises:
        DatasetNotFoundError: a label is a fraction or a negative number, or the file of names cannot be read.
        SettingsError: a number has no name, or it is unclear whether the names start at 0 or at 1.
    """
    matches = {label: _WHOLE.fullmatch(label) for label in set(labels)}
    numbers = {label: int(match[1]) for label, match in matches.items() if match is not None}
    if fractions := sorted(
        label for label, match in matches.items() if not match and _FRACTION.fullmatch(label)
    ):
        raise DatasetNotFoundError(f"labels must be whole numbers or words, got {fractions[0]} in {source}")
    if len(numbers) < len(matches):
        if names is not None and (words := sorted(set(matches) - set(numbers))):
            known = set(read_class_names(names).by_number.values())
            if not set(words) <= known:
                raise SettingsError(
                    f"{source} has the label {words[0]!r}, but --class-names (class_names) can only be used "
                    "with lists whose labels are numbers; remove it"
                )
        return Naming(lambda label: label, sorted)
    if negative := sorted(label for label, number in numbers.items() if number < 0):
        raise DatasetNotFoundError(
            f"labels must be words or non-negative numbers, got {negative[0]} in {source}"
        )
    if names is None:
        return Naming(lambda label: str(numbers[label]), lambda found: sorted(found, key=int))
    by_number = _matched(read_class_names(names), set(numbers.values()), source)
    place = {name: number for number, name in by_number.items()}
    return Naming(lambda label: by_number[numbers[label]], lambda found: sorted(found, key=place.__getitem__))


def _matched(names: ClassNames, used: set[int], source: Path) -> dict[int, str]:
    """Returns the class names keyed by number. Names without one are numbered from 0 or 1, like labels."""
    by_number, number_of_names = names.by_number, len(names.by_number)
    if not names.has_numbers and 0 not in used:
        if number_of_names not in used:
            raise SettingsError(
                f"{source} has the labels {min(used)} to {max(used)}, and there are {number_of_names} class "
                "names, so it is unclear whether the labels start at 0 or at 1. Add the numbers to the file "
                "of --class-names, for example `1 archery`"
            )
        by_number = {number + 1: name for number, name in by_number.items()}
    if unnamed := sorted(used - set(by_number)):
        raise SettingsError(
            f"{source} has labels without a class name: {some(map(str, unnamed), 5)}. The {number_of_names} "
            f"names have the numbers {min(by_number)} to {max(by_number)}; add the missing names"
        )
    return by_number


def read_class_names(names: PathLike | Sequence[str]) -> ClassNames:
    """Reads class names from JSON, or from lines with an optional number before or after the name.

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
        raise DatasetNotFoundError(f"the file of class names {path} does not exist; check the path")
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
        for pairs in (list(content.items()), list(zip(content.values(), content, strict=True))):
            if all(_WHOLE.fullmatch(str(number)) for number, _ in pairs):
                numbered = [(int(number), str(name)) for number, name in pairs]
                return ClassNames(_unique(numbered, str(path)), has_numbers=True)
    raise DatasetNotFoundError(
        f"{path} must contain a JSON list of class names, or an object that maps names to numbers or numbers "
        f"to names, got {json.dumps(content):.80}"
    )


def _unique(pairs: Iterable[tuple[int, str]], source: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, name in pairs:
        plain = str(name).strip().strip('"').strip()
        if not plain:
            raise SettingsError(f"{source}: class {number} has an empty name; name every class")
        if number in found or plain in found.values():
            repeated = f"number {number}" if number in found else f"name {plain!r}"
            raise SettingsError(f"{source} contains the class {repeated} twice; list every class once")
        found[number] = plain
    return found
