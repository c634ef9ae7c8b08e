"""Where an export goes: a folder or file that appears whole, and replaces nothing but an earlier export."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dfs_store.errors import DFSError, OutputExistsError, OutputNotWritableError
from dfs_store.format.io.transaction import Transaction, output_error

__all__ = ["MANIFEST", "output_path", "write_bytes", "write_json"]

# Every exported folder holds it; a folder without it is not ours to replace.
MANIFEST = "dfs-export.json"
_ZIP_SIGNATURE = b"PK\x03\x04"


@contextmanager
def output_path(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yields a free path to write a folder or file to; it takes the place of `path` at a clean exit.

    An exception removes what was written. With `overwrite` the former export stands until then.

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
        if isinstance(error, OSError) and not isinstance(error, DFSError):
            raise output_error(error, transaction.shown) from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a new file, with the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON
    """Writes a new JSON file, ASCII alone, so that every name survives."""
    write_bytes(path, json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def _check(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Returns the path with its links followed; refuses one that may not be written."""
    shown = Path(path)
    try:
        target = Path(os.path.realpath(shown))
        if os.path.lexists(target):
            if not overwrite:
                raise OutputExistsError(
                    f"{shown}: exists already; choose another --out, or add --overwrite to replace it"
                )
            if not _is_export(target):
                raise OutputExistsError(
                    f"{shown}: exists and is no earlier export (a folder of one holds {MANIFEST}), so it is "
                    "not overwritten; remove it yourself"
                )
        if not target.parent.is_dir():
            raise OutputNotWritableError(
                f"{shown}: the folder {target.parent} does not exist; create it first"
            )
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise OutputNotWritableError(f"{shown}: the folder {target.parent} is not writable")
    except OSError as error:
        if isinstance(error, DFSError):
            raise
        raise output_error(error, shown) from error
    return target


def _is_export(target: Path) -> bool:
    if target.is_dir():
        names = os.listdir(target)
        return not names or MANIFEST in names
    with target.open("rb") as file:
        return target.suffix == ".npz" and file.read(len(_ZIP_SIGNATURE)) == _ZIP_SIGNATURE
