"""Labels of a list that are numbers, and the files that give them names."""

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
    """Names of classes by number.

    Attributes:
        by_number: a name for each number; counted from 0 if the file has no numbers.
        has_numbers: whether the numbers are given, not counted.
    """

    by_number: dict[int, str]
    has_numbers: bool


class Naming(NamedTuple):
    """How labels become class names.

    Attributes:
        name_of: takes a label as it is listed.
        sorted: puts class names in the order in which they are numbered.
    """

    name_of: Callable[[str], str]
    sorted: Callable[[Iterable[str]], list[str]]


def named_labels(labels: Sequence[str], names: PathLike | Sequence[str] | None, source: Path) -> Naming:
    """Returns the names of the classes of a list.

    Without names, numbers stay what they are and are sorted as numbers; words are sorted as Python does.

    Args:
        labels: of all rows of a list, and of its test list.
        names: what `read_class_names` takes.
        source: the list, for messages.

    Raises:
        SettingsError: a number has no name, or it is not clear whether the first name is that of 0 or of 1.
    """
    matches = {label: _WHOLE.fullmatch(label) for label in set(labels)}
    numbers = {label: int(match[1]) for label, match in matches.items() if match is not None}
    if fractions := sorted(
        label for label, match in matches.items() if not match and _FRACTION.fullmatch(label)
    ):
        raise DatasetNotFoundError(
            f"{source} has the label {fractions[0]}; labels are whole numbers or words"
        )
    if len(numbers) < len(matches):
        if names is not None and (words := sorted(set(matches) - set(numbers))):
            known = set(read_class_names(names).by_number.values())
            if not set(words) <= known:
                raise SettingsError(
                    f"{source} has the label {words[0]!r}, a word; --class-names (class_names) is for "
                    "numbers. Leave it out"
                )
        return Naming(lambda label: label, sorted)
    if negative := sorted(label for label, number in numbers.items() if number < 0):
        raise DatasetNotFoundError(
            f"{source} has the label {negative[0]}; labels are numbers from 0 or 1, or words"
        )
    if names is None:
        return Naming(lambda label: str(numbers[label]), lambda found: sorted(found, key=int))
    by_number = _matched(read_class_names(names), set(numbers.values()), source)
    place = {name: number for number, name in by_number.items()}
    return Naming(lambda label: by_number[numbers[label]], lambda found: sorted(found, key=place.__getitem__))


def _matched(names: ClassNames, used: set[int], source: Path) -> dict[int, str]:
    """Returns the names by the numbers that a list uses: names that are counted may begin at 0 or at 1."""
    by_number, number_of_names = names.by_number, len(names.by_number)
    if not names.has_numbers and 0 not in used:
        if number_of_names not in used:
            raise SettingsError(
                f"{source} has the labels {min(used)} to {max(used)}, and there are {number_of_names} class "
                "names: it is not clear whether 0 or 1 is the first. Write the numbers into the file of "
                "--class-names: `1 "
                "archery` in a line"
            )
        by_number = {number + 1: name for number, name in by_number.items()}
    if unnamed := sorted(used - set(by_number)):
        raise SettingsError(
            f"{source} has the label {some(map(str, unnamed), 5)}, for which there is no name: the "
            f"{number_of_names} class names have the numbers {min(by_number)} to {max(by_number)}"
        )
    return by_number


def read_class_names(names: PathLike | Sequence[str]) -> ClassNames:
    """Reads names of classes: one in a line, with or without its number before or behind it; or JSON.

    Args:
        names: a file, or the names themselves in the order of their numbers.

    Raises:
        DatasetNotFoundError: there is no such file, or it holds no names.
        SettingsError: a name or a number is there twice.
    """
    if not isinstance(names, str | os.PathLike):
        return ClassNames(_told_apart(enumerate(names), "class_names"), has_numbers=False)
    path = Path(names).expanduser()
    if not path.is_file():
        raise DatasetNotFoundError(f"there is no file of class names at {path}")
    if path.suffix.lower() == ".json":
        return _from_json(read_json(path), path)
    lines = [line for _, line in numbered_lines(path) if not line.startswith("#")]
    if not lines:
        raise DatasetNotFoundError(f"{path} holds no class names")
    columns = {"name", "class", "label", "id", "class_name"} & set(parse_fields(lines[0].lower(), ","))
    if columns and any(character.isdecimal() for line in lines[1:] for character in line):
        lines = lines[1:]  # a header
    for pattern, number, name in ((_NUMBER_FIRST, 1, 2), (_NUMBER_LAST, 2, 1)):
        found = [pattern.fullmatch(line) for line in lines]
        pairs = [(int(match[number]), match[name]) for match in found if match is not None]
        if len(pairs) == len(lines) and len({count for count, _ in pairs}) == len(pairs):
            return ClassNames(_told_apart(pairs, str(path)), has_numbers=True)
    return ClassNames(_told_apart(enumerate(lines), str(path)), has_numbers=False)


def _from_json(content: object, path: Path) -> ClassNames:
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return ClassNames(_told_apart(enumerate(content), str(path)), has_numbers=False)
    if isinstance(content, dict) and content:
        for pairs in ([(k, v) for k, v in content.items()], [(v, k) for k, v in content.items()]):
            if all(_WHOLE.fullmatch(str(number)) for number, _ in pairs):
                return ClassNames(
                    _told_apart([(int(n), str(name)) for n, name in pairs], str(path)), has_numbers=True
                )
    raise DatasetNotFoundError(
        f"{path} must be a JSON list of class names, or an object of names and numbers, got "
        f"{json.dumps(content):.80}"
    )


def _told_apart(pairs: Iterable[tuple[int, str]], source: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, name in pairs:
        plain = str(name).strip().strip('"').strip()
        if not plain or number in found or plain in found.values():
            raise SettingsError(
                f"{source}: class {number}, {plain!r}, is empty or there twice; classes need names of their "
                "own"
            )
        found[number] = plain
    return found
