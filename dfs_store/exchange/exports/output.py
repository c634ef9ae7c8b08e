"""Writes an export completely or not at all, and replaces nothing but an earlier export."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dfs_store.format.io.durable import output_error
from dfs_store.format.io.transaction import Transaction, check_local_output

__all__ = ["MANIFEST", "output_path", "write_bytes", "write_json"]

# Every exported folder contains this file; folders without it are never replaced.
MANIFEST = "dfs-export.json"


@contextmanager
def output_path(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yields a temporary path for a folder or file. It is renamed to `path` if no exception is raised.

    If an exception is raised, the temporary files are removed. With `overwrite`, the old export is kept until
    the new one is complete.

    Raises:
        OutputExistsError: the path exists, and `overwrite` is False or the path is not an earlier export.
        OutputNotWritableError, DiskFullError: the output cannot be written.
    """
    transaction = Transaction(Path(path), overwrite=overwrite, check=_check)
    try:
        yield transaction.begin()
        os.sync()  # before the rename; one call for many small files
        transaction.commit()
    except BaseException as error:
        transaction.abort()
        if isinstance(error, OSError):
            raise output_error(error, transaction.shown) from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a new file, and creates its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON
    """Writes a new JSON file, in which non-ASCII characters are escaped."""
    write_bytes(path, json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def _check(path: Path, *, overwrite: bool = False) -> Path:
    """Returns the path with its links resolved. Raises an error if it must not be written."""

    def is_ours(target: Path) -> bool:
        if target.is_dir():
            return (target / MANIFEST).is_file() or not os.listdir(target)
        return target.is_file() and target.suffix == ".npz"

    otherwise = f"not an earlier export (exported folders contain the file {MANIFEST})"
    return check_local_output(path, is_ours, otherwise, overwrite=overwrite)
