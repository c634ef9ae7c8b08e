"""Reads text files, tables and JSON in any Unicode encoding or Windows-1252, with any line endings."""

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfs_store.errors import DatasetNotFoundError
from dfs_store.format.io.reading import parse_json, read_found

__all__ = ["column_name", "numbered_lines", "parse_fields", "read_json", "read_table", "read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose byte-order mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_END = re.compile(r"\r\n|\n|\r")
_MOST_BYTES = 2**30


def read_text(path: Path) -> str:
    """Returns the text of a file. Lines that are not UTF-8 are read as Windows-1252.

    Raises:
        DatasetNotFoundError: the file is not text.
    """
    try:
        data = read_found(path, _MOST_BYTES)
    except OSError as error:
        raise DatasetNotFoundError(f"{path} cannot be read as a list of files: {error.strerror}") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        if encoding is not None:
            return data.decode(encoding)
        if b"\0" in data:
            raise DatasetNotFoundError(
                f"{path} contains null bytes, so it is not UTF-8 text. If it is a list in UTF-16, save it as "
                "UTF-8. If it is a video, pass its folder or a list of videos"
            )
        return "".join(map(_decoded, data.splitlines(keepends=True)))
    except UnicodeDecodeError as error:
        raise DatasetNotFoundError(
            f"{path} starts with the byte order mark of {encoding}, but cannot be decoded ({error.reason}); "
            "save it as UTF-8"
        ) from error


def _decoded(line: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Returns the non-empty lines of a file, stripped, each with its 1-based line number."""
    lines = enumerate(_LINE_END.split(read_text(path)), 1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def column_name(text: str) -> str:
    """Returns a column's name in lower case, with its words joined by `_`."""
    return re.sub(r"[\s\-]+", "_", text.strip().strip("\"'").strip().casefold())


def parse_fields(line: str, delimiter: str) -> list[str]:
    """Splits a line of a table. Fields may be quoted, and repeated spaces are treated as one."""
    fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    fields = [field.strip() for field in fields]
    return [field for field in fields if field] if delimiter == " " else fields


def read_table(path: Path, delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the rows of a table with a header, each as its line number and its stripped values by column.

    Empty rows and rows that start with `#` are skipped.

    Raises:
        DatasetNotFoundError: a row has more values than the header, or is not valid csv.
    """
    lines = _LINE_END.split(read_text(path))
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    rows = csv.reader((f"{line}\n" for line in lines[first:]), delimiter=delimiter, skipinitialspace=True)
    columns: list[str] = []
    try:
        for row in rows:
            values, line = [value.strip() for value in row], first + rows.line_num
            if not columns:
                columns = [column_name(value) for value in values]
            elif any(values) and not values[0].startswith("#"):
                if any(values[len(columns) :]):
                    raise DatasetNotFoundError(
                        f"{path}, line {line}: got {len(values)} values for the {len(columns)} columns "
                        f"{', '.join(columns)}; put values that contain a {_delimiter_text(delimiter)} in "
                        "double quotes"
                    )
                yield line, dict(zip(columns, [*values, *[""] * len(columns)], strict=False))
    except csv.Error as error:
        raise DatasetNotFoundError(
            f"{path}, line {first + rows.line_num} cannot be read as CSV: {error}"
        ) from error


def _delimiter_text(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab", " ": "space"}.get(delimiter, repr(delimiter))


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Returns the content of a JSON file.

    Raises:
        DatasetNotFoundError: the file is not valid JSON.
    """
    try:
        return parse_json(read_text(path), any_text=True)
    except ValueError as error:
        raise DatasetNotFoundError(f"{path} cannot be read as JSON: {error}") from error
