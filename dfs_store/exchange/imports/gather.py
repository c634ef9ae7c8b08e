"""Collects the arrays in nested lists and dictionaries, and combines arrays that belong together.

Lists of arrays with equal shapes are stacked, lists of arrays of clips are concatenated, and lists of records
with equal keys (dictionaries, or pairs of a clip and a label) are read by column. The parts can still be
selected by name.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dfs_store.errors import UnreadableClipsError
from dfs_store.exchange.imports.arrays import CLIP_DTYPES, Array, FoundArray
from dfs_store.exchange.imports.labels import is_one_hot
from dfs_store.exchange.imports.pickles import NumpyArray, TensorParts, Things
from dfs_store.exchange.imports.raw import of_numpy, of_texts

__all__ = ["gather"]

_MOST_DEPTH = 8
_MOST_VISITS = 200_000  # arrays, lists and dictionaries, each counted as often as it is referred to
_MOST_NUMBERS = 2_000_000
_MOST_NAME = 200
_CLIP_AXES, _BATCH_AXES = 4, 5
# Keys that name a version of the clips, not a class.
_VERSION = re.compile(
    r"(images?|clips?|videos?|syn|real|train|val|valid|test|init|initial|best|last|final|ema|static|dynamic|"
    r"data|x|y|step|iter|it|epoch|exp)(\d+|[_ .-].*)?",
    re.IGNORECASE,
)
ToArray = Callable[[str, TensorParts], FoundArray]


@dataclass
class _Record:
    """Named parts that cannot be combined into a single array."""

    parts: dict[str, "FoundArray | _Record"]


Result = FoundArray | _Record | None


def gather(content: object, to_array: ToArray) -> list[FoundArray]:
    """Lists the arrays in nested lists and dictionaries, in order.

    Args:
        content: the result of `read_pickle`.
        to_array: converts the parts of a tensor to an array with a given name.

    Raises:
        UnreadableClipsError: there are too many objects, or they are nested too deeply.
    """
    gatherer = _Gatherer(to_array)
    gatherer.visit(content, "", 0)
    return gatherer.found


class _Gatherer:
    def __init__(self, to_array: ToArray) -> None:
        self._to_array = to_array
        self.found: list[FoundArray] = []
        self._visits_left, self._numbers_left = _MOST_VISITS, _MOST_NUMBERS

    def visit(self, content: object, name: str, depth: int) -> Result:
        """Returns the content as an array or a record, and adds the arrays in it to `found`."""
        self._visits_left -= 1
        if depth > _MOST_DEPTH or self._visits_left < 0 or len(name) > _MOST_NAME * _MOST_DEPTH:
            raise UnreadableClipsError(
                "the file contains too many objects to search for clips, or objects that are nested too "
                "deeply; save only the clips and their labels"
            )
        if isinstance(content, TensorParts):
            return self._note(self._to_array(name, content))
        if isinstance(content, NumpyArray):
            if content.array is not None:
                return self._note(of_numpy(name, content.array))
            content = content.items or []
        if isinstance(content, bool | int | float | str):
            return _scalar(name, content)
        if isinstance(content, Things):
            return self._visit_pairs(content.pairs, name, depth, is_mapping=True)
        if isinstance(content, list | tuple) and content:
            if (vector := self._vector(content, name)) is not None:
                return self._note(vector)
            return self._visit_pairs(list(enumerate(content)), name, depth, is_mapping=False)
        return None

    def _note(self, array: FoundArray) -> FoundArray:
        self.found.append(array)
        return array

    def _vector(self, items: Sequence[object], name: str) -> FoundArray | None:
        first = type(items[0])
        if first not in (bool, int, float, str) or not all(type(each) is first for each in items):
            return None
        self._numbers_left -= len(items)
        if self._numbers_left < 0:
            raise UnreadableClipsError(
                "the lists in the file contain too many numbers to search for clips; save them as arrays"
            )
        if first is str:
            return of_texts(name, items)
        if first is int and not all(-(2**63) <= each < 2**63 for each in items):  # type: ignore[operator]
            return None
        return of_numpy(name, np.array(items))

    def _visit_pairs(
        self, pairs: Sequence[tuple[object, object]], name: str, depth: int, *, is_mapping: bool
    ) -> Result:
        start, parts = len(self.found), dict[str, FoundArray | _Record]()
        for number, (key, value) in enumerate(pairs):
            # Keys are converted to strings, whose hashes are random. Numbers could be chosen so that their
            # hashes collide, and filling the dictionary would take quadratic time.
            own = str(key if isinstance(key, int | str) and not isinstance(key, bool) else number)
            if len(own) > _MOST_NAME:
                raise UnreadableClipsError(f"a key has more than {_MOST_NAME} characters; shorten the key")
            if (part := self.visit(value, f"{name}.{own}".lstrip("."), depth + 1)) is not None:
                if own in parts:
                    raise UnreadableClipsError(
                        f"the file contains two entries called {name}.{own}; rename one of them"
                    )
                parts[own] = part
                if is_mapping and own == "fps" and isinstance(part, FoundArray) and part.shape == ():
                    self._note(part)
        combined = None
        if parts and len(parts) == len(pairs):
            keys = list(parts) if is_mapping else None
            combined = self._combined(list(parts.values()), name, start, keys)
        return combined or _Record(parts)

    def _combined(
        self, parts: "list[FoundArray | _Record]", name: str, start: int, keys: list[str] | None
    ) -> Result:
        """Combines parts into one array or a record of columns. Returns None if they do not match."""
        arrays = [each for each in parts if isinstance(each, FoundArray)]
        records = [each for each in parts if isinstance(each, _Record)]
        if len(arrays) == len(parts):
            if keys is None and len(arrays) == 1 and len(arrays[0].shape) >= _BATCH_AXES:
                return None
            made = _per_class(arrays, keys, name) if keys is not None else _together(arrays, name)
            if made is None:
                return None
            self._are_parts(start)
            return self._note(made)
        if keys is None and len(records) == len(parts) and len({tuple(each.parts) for each in records}) == 1:
            return self._columns(records, name, start)
        return None

    def _columns(self, records: list[_Record], name: str, start: int) -> Result:
        """Reads records by column. The columns are clips and their labels, or versions of a set of clips."""
        columns = {
            key: [part for each in records if isinstance(part := each.parts[key], FoundArray)]
            for key in records[0].parts
        }
        if not any(_are_clips(column, _CLIP_AXES) or _are_single(column) for column in columns.values()):
            if any(_are_clips(column, _BATCH_AXES) for column in columns.values()):
                self._take_last(columns, name, start)
            return None
        self._are_parts(start)
        made = {
            key: together
            for key, column in columns.items()
            if column and (together := _together(column, f"{name}.*.{key}".lstrip("."))) is not None
        }
        clips = next((each for each in made.values() if len(each.shape) == _BATCH_AXES), None)
        for key, each in list(made.items()):
            if clips is not None and each is not clips and _of_frames(each, clips):
                problem = f"{clips} with {each} is a set of labelled images, not of clips"
                made[key] = _problem(each.name, f"{problem}; save clips with one label each")
                made[next(other for other in made if made[other] is clips)] = made[key]
        self.found += made.values()
        return _Record(dict(made))

    def _take_last(self, columns: dict[str, list[FoundArray]], name: str, start: int) -> None:
        """Selects the last of several sets of clips if they are certain to be versions of the same clips."""
        count = max(map(len, columns.values()))
        labels = [column for column in columns.values() if not _are_clips(column, _BATCH_AXES) and column]
        if count < 2 or not (name.rpartition(".")[2] == "data" or all(map(_all_equal, labels))):
            return
        last = f"{name}.{count - 1}.".lstrip(".")
        clips = next(column[0] for column in columns.values() if _are_clips(column, _BATCH_AXES))
        note = (
            f"{name or 'the file'} contains {count} sets of clips (experiments or evaluation steps); the "
            f"last one was imported. To import the first, use --clips-key {clips.name}"
        )
        for place in range(start, len(self.found)):
            each = self.found[place]
            is_last = each.name.startswith(last)
            self.found[place] = replace(each, note=note) if is_last else replace(each, is_part=True)

    def _are_parts(self, start: int) -> None:
        self.found[start:] = [replace(each, is_part=True) for each in self.found[start:]]


def _scalar(name: str, value: bool | int | float | str) -> FoundArray | None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None
    return of_texts(name, value) if isinstance(value, str) else of_numpy(name, np.array(value))


def _are_clips(arrays: Sequence[FoundArray], axes: int) -> bool:
    return bool(arrays) and all(len(each.shape) == axes and each.dtype in CLIP_DTYPES for each in arrays)


def _are_single(arrays: Sequence[FoundArray]) -> bool:
    """Returns whether each array contains a single clip."""
    return len(arrays) > 1 and _are_clips(arrays, _BATCH_AXES) and all(each.shape[0] == 1 for each in arrays)


def _of_frames(labels: FoundArray, clips: FoundArray) -> bool:
    """Returns whether there is a label for each frame, which means that the clips are in fact images."""
    if len(labels.shape) != 2 or labels.shape[1] == 1 or labels.shape[1] != clips.shape[1]:
        return False
    return not is_one_hot(labels.whole()) or labels.shape[0] == 1


def _problem(name: str, text: str) -> FoundArray:
    return FoundArray(name, (), "unread", lambda: iter(()), lambda: np.empty(0), problem=text)


def _all_equal(arrays: Sequence[FoundArray]) -> bool:
    if any(math.prod(each.shape) > _MOST_NUMBERS for each in arrays):
        return False
    first = arrays[0].whole()
    return all(each.shape == first.shape and np.array_equal(each.whole(), first) for each in arrays)


def _together(arrays: Sequence[FoundArray], name: str) -> FoundArray | None:
    """Concatenates sets of clips, or stacks arrays of equal shape. Returns None if neither is possible."""
    shapes, dtypes = {each.shape for each in arrays}, {each.dtype for each in arrays}
    for axes in (_CLIP_AXES, _BATCH_AXES):
        if _are_clips(arrays, axes) and (len(dtypes) > 1 or len({each[axes - 4 :] for each in shapes}) > 1):
            shown = ", ".join(sorted({str(each) for each in arrays})[:3])
            return _problem(
                name,
                f"the clips in {name or 'the list'} must have the same shape and dtype, got "
                f"{shown}, ...; cut or repeat frames",
            )
    if _are_clips(arrays, _BATCH_AXES):
        return _joined(arrays, name)
    if len(shapes) > 1 or len(arrays[0].shape) >= _BATCH_AXES:
        return None
    if arrays[0].shape == () and "str" not in dtypes:
        return of_numpy(name, np.array([each.whole().item() for each in arrays]))
    if len(dtypes) > 1:
        return None
    (shape,), (dtype,) = shapes, dtypes

    def items() -> Iterator[Array]:
        return (each.whole() for each in arrays)

    return FoundArray(name, (len(arrays), *shape), dtype, items, lambda: np.stack(list(items())))


def _joined(arrays: Sequence[FoundArray], name: str, labels: FoundArray | None = None) -> FoundArray:
    counts = [each.shape[0] for each in arrays]
    own = of_numpy(name, np.repeat(np.arange(len(arrays)), counts)) if labels is None else labels
    return FoundArray(
        name,
        (sum(counts), *arrays[0].shape[1:]),
        arrays[0].dtype,
        lambda: (item for each in arrays for item in each.items()),
        lambda: np.concatenate([each.whole() for each in arrays]),
        labels=own,
        last=arrays[-1] if len(set(counts)) == 1 else None,
    )


def _per_class(arrays: Sequence[FoundArray], keys: list[str], name: str) -> FoundArray | None:
    """Joins a dictionary of clips into a labelled array if its keys are certain to be classes, else None."""
    is_single = _are_clips(arrays, _CLIP_AXES)
    if not (is_single or _are_clips(arrays, _BATCH_AXES)):
        return None
    numbers = [int(key) for key in keys if key.isdecimal()]
    if numbers:
        if sorted(numbers) not in (list(range(len(keys))), list(range(1, len(keys) + 1))):
            return None
    elif len(keys) < 2 or any(_VERSION.fullmatch(key) for key in keys):
        return None
    together = _together(arrays, name)
    if together is None or together.problem:
        return together
    counts = [1 if is_single else each.shape[0] for each in arrays]
    if numbers:
        labels = of_numpy(name, np.repeat(np.array(numbers), counts))
    else:
        labels = of_texts(name, np.repeat(np.array(keys, dtype=object), counts))
    return replace(together, labels=labels, last=None, is_keyed=True, asks_layout=is_single)
