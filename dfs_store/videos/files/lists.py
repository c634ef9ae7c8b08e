"""Reads lists of clips: a path and a label per line, or a table with a header.

VideoMAE, SlowFast, mmaction2 and pytorchvideo use such lists. Hugging Face's VideoFolder uses metadata.csv.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dfs_store.errors import DatasetNotFoundError
from dfs_store.format.io.reading import parse_json
from dfs_store.names import counted, printable
from dfs_store.videos.files.cliplist import ClipFile, ClipList
from dfs_store.videos.files.finding import Finder, inside, nothing_found
from dfs_store.videos.files.numbered_classes import named_labels
from dfs_store.videos.files.reading import Reading
from dfs_store.videos.files.splits import split_name
from dfs_store.videos.files.texts import column_name, numbered_lines, parse_fields, read_json, read_table
from dfs_store.videos.files.tree import VIDEO_SUFFIXES

__all__ = ["METADATA", "ListRow", "read_list", "read_rows"]

METADATA = ("metadata.csv", "metadata.jsonl")
# The first of these columns that exists is used.
_PATHS_TEXT = """
path file_path filepath video_path videopath clip_path file_name filename file video_name video_file
videofile video_filename video clip_name clip frame_dir frames_path folder_name folder relative_path
rel_path video_id vid id name
"""
_PATHS = _PATHS_TEXT.split()
_LABELS_TEXT = """
label_name class_name classname action_name category_name label labels class action category target activity
tag label_id class_id label_idx class_idx class_index category_id y
"""
_LABELS = _LABELS_TEXT.split()
_SPLITS = ["split", "subset", "part", "partition", "set", "usage", "is_train", "is_test"]
_KNOWN = {*_PATHS, *_LABELS, *_SPLITS}
_SPAN = re.compile(r"(^|_)(start|begin|onset|from|end|stop|to|offset)(_|$)")
_SEPARATORS = ("\t", ",", " ", ";")
_TRIED = 200  # number of lines that are examined to detect the separator


class ListRow(NamedTuple):
    """One line of a list.

    Attributes:
        path: path as listed.
        label: label as listed.
        part: "train", "val" or "test", from a column such as `split`; "" if there is no such column.
        line: line number.
        span: columns with start or end times and their values; "" if there are none.
    """

    path: str
    label: str
    part: str
    line: int
    span: str = ""


@dataclass(frozen=True)
class _BothLists:
    """The rows of both splits and the lists that they were read from."""

    train: list[ListRow]
    test: list[ListRow]
    train_list: Path
    test_list: Path
    remarks: list[str]

    def rows(self, split: str) -> list[ListRow]:
        return self.train if split == "train" else self.test


def read_list(path: Path, split: str, how: Reading) -> ClipList:
    """Reads the clips of a split from a list.

    Raises:
        DatasetNotFoundError: the list cannot be read, has no clips for the split or has contradictory rows,
            or none of its files exists.
    """
    listed = _both_parts(path, how)
    rows, source = listed.rows(split), listed.train_list if split == "train" else listed.test_list
    if not rows:
        raise DatasetNotFoundError(_no_rows(path, split))
    naming = named_labels([row.label for row in (*listed.train, *listed.test)], how.class_names, path)
    root = how.root_or(source.parent)
    finder = Finder([root])
    clips, missing, remarks = _clips(rows, source, root, finder, naming.name_of)
    other = listed.rows("test" if split == "train" else "train")
    remarks = [*listed.remarks, *remarks, *_in_both(clips, other, root, finder), *finder.unclear]
    if not clips:
        raise nothing_found(missing, source.name, root)
    names = naming.sorted({naming.name_of(row.label) for row in rows})
    place = {name: number for number, name in enumerate(names)}
    clips.sort(key=lambda clip: place[clip.class_name])
    return ClipList(root, clips, names, missing, remarks=remarks)


def _both_parts(path: Path, how: Reading) -> _BothLists:
    rows = read_rows(path, _exists_in(how.root_or(path.parent)))
    parts, remarks = _by_part(rows), list[str]()
    train, train_from_column = parts.get("", parts.get("train", [])), "" not in parts
    test, test_list = parts.get("test") or parts.get("val") or [], path
    if train_from_column and parts.get("test") and parts.get("val"):
        remarks.append(
            f"ignoring {counted(len(parts['val']), 'validation row')}, because the list has test rows"
        )
    if how.test_list is not None:
        test_list = Path(how.test_list).expanduser().absolute()
        if not test_list.is_file():
            raise DatasetNotFoundError(f"the test list {test_list} does not exist; check the path")
        if test:
            rows_text = counted(len(test), "test row")
            remarks.append(f"ignoring {rows_text} in {path.name}, because the test list is {test_list.name}")
        of_test = _by_part(read_rows(test_list, _exists_in(how.root_or(test_list.parent))))
        test = of_test.get("") or of_test.get("test") or of_test.get("val") or []
    return _BothLists(train, test, path, test_list, remarks)


def _by_part(rows: list[ListRow]) -> dict[str, list[ListRow]]:
    found = defaultdict[str, list[ListRow]](list)
    for row in rows:
        found[row.part].append(row)
    return dict(found)


def _no_rows(path: Path, split: str) -> str:
    if split == "train":
        return f"{path} contains no training clips"
    return (
        f"{path} contains only training clips; pass the test clips with --test-list LIST (test_list=), add a "
        "column named split with the values train and test, or condense and evaluate with --hold-out 0.2"
    )


def _clips(
    rows: list[ListRow], source: Path, root: Path, finder: Finder, name_of: Callable[[str], str]
) -> tuple[list[ClipFile], list[str], list[str]]:
    """Returns the clips that exist, the files that are missing, and remarks about the list."""
    clips, missing, seen, repeated = [], [], dict[str, ListRow](), 0
    for row in rows:
        found = finder.find(row.path)
        file = row.path if found is None else inside(root, found)
        if (earlier := seen.setdefault(file, row)) is not row:
            if row.span != earlier.span:
                raise DatasetNotFoundError(
                    f"{source}, line {row.line}: {printable(file)} is listed with {row.span} here and with "
                    f"{earlier.span} in line {earlier.line}, but a clip is a whole video and must be listed "
                    "only once. To use parts of a video, cut it with ffmpeg -ss START -to END -i IN OUT"
                )
            if name_of(earlier.label) != name_of(row.label):
                raise DatasetNotFoundError(
                    f"{source}, line {row.line}: {printable(file)} has the label {row.label!r} here and "
                    f"{earlier.label!r} in line {earlier.line}; a clip must have a single class"
                )
            repeated += 1
        elif found is None:
            missing.append(file)
        else:
            clips.append(ClipFile(file, name_of(row.label)))
    remarks = []
    if repeated:
        remarks.append(f"skipped {counted(repeated, 'repeated row')} in {source.name}")
    if rows[0].span:
        remarks.append(
            f"ignoring the start and end times in {source.name} (such as {rows[0].span}), because a clip is "
            "a whole video"
        )
    return clips, missing, remarks


def _in_both(clips: list[ClipFile], other: list[ListRow], root: Path, finder: Finder) -> list[str]:
    names = {inside(root, found) for row in other if (found := finder.find(row.path)) is not None}
    both = [clip.file for clip in clips if clip.file in names]
    if not both:
        return []
    return [f"{counted(len(both), 'clip')} listed for both training and testing, first {printable(both[0])}"]


def _exists_in(root: Path) -> Callable[[str], bool]:
    finder = Finder([root])
    return lambda name: finder.find(name) is not None


def read_rows(path: Path, exists: Callable[[str], bool]) -> list[ListRow]:
    """Returns the rows of a list.

    Args:
        path: path of the list: text, csv with or without a header, a JSON list of objects, or JSON lines.
        exists: returns whether a listed path exists, to detect the separator.

    Raises:
        DatasetNotFoundError: the list cannot be read. The message gives the file, the line and the columns.
    """
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        return _from_columns(path, _json_rows(path))
    lines = numbered_lines(path)
    if not lines:
        raise DatasetNotFoundError(f"the list {path} is empty")
    header = _delimiter_of_header(lines[0][1])
    if header == " " and len(lines[0][1].split()) == 2:
        lines = lines[1:]  # "path label" is not read as a table, because paths may contain spaces
    elif header is not None:
        return _from_columns(path, read_table(path, header))
    lines = [
        (number, line) for number, line in lines if not line.startswith("#") or exists(_split(line, " ")[0])
    ]
    separator = _separator([line for _, line in lines[:_TRIED]], exists)
    rows = []
    for number, line in lines:
        name, label = _split(line, separator)
        if not (name and label):
            raise DatasetNotFoundError(
                f"{path}, line {number}: expected `path label`, separated by a space, tab or comma, got "
                f"{line[:120]!r}. A table needs a header that names the columns path and label"
            )
        rows.append(ListRow(name, label, "", number))
    return rows


def _split(line: str, separator: str) -> tuple[str, str]:
    """Splits a line at its last separator. The path and the label may be quoted."""
    if '"' in line:
        fields = parse_fields(line, separator)
        return separator.join(fields[:-1]).strip(), fields[-1] if len(fields) > 1 else ""
    name, found, label = line.strip().rpartition(separator)
    if separator == " " and "\t" in label:
        name, found, label = line.strip().rpartition("\t")
    return (name.strip(), label.strip()) if found else (line.strip(), "")


def _separator(lines: list[str], exists: Callable[[str], bool]) -> str:
    """Returns the separator that yields the most existing paths or, if none exist, the most video names."""

    def score(separator: str) -> tuple[int, int, int]:
        names = [name for name, label in (_split(line, separator) for line in lines) if name and label]
        videos = sum(os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES for name in names)
        return sum(map(exists, names)), videos, len(names)

    return max(_SEPARATORS, key=score)


def _delimiter_of_header(line: str) -> str | None:
    """Returns the delimiter if a line is a header, otherwise None."""
    found: tuple[int, str] | None = None
    for delimiter in (",", "\t", ";", "|", " "):
        columns = [column_name(field) for field in parse_fields(line, delimiter)]
        score = len(_KNOWN.intersection(columns))
        whole = {*columns} & {*_PATHS} and {*columns} & {*_LABELS}
        values = any(re.search(r"[/\\]|\.\w|^[\d.]+$", column) for column in columns)
        names = whole or all(re.fullmatch(r"[^\W\d]\w*", column) for column in columns)
        if len(columns) > 1 and score and names and not values and (found is None or score > found[0]):
            found = score, delimiter
    return None if found is None else found[1]


def _json_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    if path.suffix.lower() == ".json":
        content: Sequence[Any] = read_json(path)
        rows = list(enumerate(content if isinstance(content, list) else [content], 1))
    else:
        rows = []
        for number, line in numbered_lines(path):
            try:
                rows.append((number, parse_json(line, any_text=True)))
            except ValueError as error:
                raise DatasetNotFoundError(
                    f"{path}, line {number} cannot be read as JSON: {error}"
                ) from error
    for number, row in rows:
        if not isinstance(row, dict):
            raise DatasetNotFoundError(
                f"{path}, entry {number}: expected an object with a path and a label, got {row!r:.80}"
            )
        yield (
            number,
            {column_name(key): "" if value is None else str(value).strip() for key, value in row.items()},
        )


def _from_columns(path: Path, rows: Iterable[tuple[int, dict[str, str]]]) -> list[ListRow]:
    found = []
    for line, row in rows:
        columns = [
            next((name for name in names if name in row), None) for names in (_PATHS, _LABELS, _SPLITS)
        ]
        name, label, split = columns
        if name is None or label is None:
            raise DatasetNotFoundError(
                f"{path} must have a column for the path of the video (such as path or file_name) and one "
                f"for its class (such as label or class_name), got the columns {', '.join(row)}"
            )
        for column in (name, label):
            if not row[column]:
                raise DatasetNotFoundError(
                    f"{path}, line {line}: the column {column} is empty; the columns are {', '.join(row)}"
                )
        part = "" if split is None else _part(row[split], path, line, split)
        span = ", ".join(f"{column} {row[column]}" for column in row if _SPAN.search(column))
        found.append(ListRow(row[name], row[label], part, line, span))
    if not found:
        raise DatasetNotFoundError(f"{path} contains no clips, only a header")
    return found


def _part(value: str, path: Path, line: int, column: str) -> str:
    parsed = split_name(value)
    if parsed is None:
        raise DatasetNotFoundError(
            f"{path}, line {line}: the column {column} must contain train, val or test, got {value!r}"
        )
    return parsed.part
