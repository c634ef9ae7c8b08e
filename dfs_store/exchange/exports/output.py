"""Where an export goes: a folder or file that appears whole, and replaces nothing but an earlier export."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dfs_store.format.io.durable import output_error
from dfs_store.format.io.transaction import Transaction, check_local_output

__all__ = ["MANIFEST", "output_path", "write_bytes", "write_json"]

# Every exported folder holds it; a folder without it is not ours to replace.
MANIFEST = "dfs-export.json"


@contextmanager
def output_path(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yields a free path to write a folder or file to; it takes the place of `path` at a clean exit.

    An exception removes what was written. With `overwrite` the former export stays until then.

    Raises:
        OutputExistsError: something is there and `overwrite` is off, or it is no earlier export.
        OutputNotWritableError, DiskFullError: the disk refused.
    """
    transaction = Transaction(Path(path), overwrite=overwrite, check=_check)
    try:
        yield transaction.begin()
        os.sync()  # many small files, safe in one step before their names appear
        transaction.commit()
    except BaseException as error:
        transaction.abort()
        if isinstance(error, OSError):
            raise output_error(error, transaction.shown) from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a new file, with the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON
    """Writes a new JSON file, ASCII alone, so that every name survives."""
    write_bytes(path, json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def _check(path: Path, *, overwrite: bool = False) -> Path:
    """Returns the path with its links followed; refuses one that may not be written."""

    def is_ours(target: Path) -> bool:
        if target.is_dir():
            return (target / MANIFEST).is_file() or not os.listdir(target)
        return target.is_file() and target.suffix == ".npz"

    otherwise = f"no earlier export (a folder of one has a file {MANIFEST})"
    return check_local_output(path, is_ours, otherwise, overwrite=overwrite)
