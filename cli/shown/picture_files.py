"""Where pictures go: checked before anything is drawn, written whole or not at all."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


def check_picture_path(path: Path, suffixes: Sequence[str], what: str, *, flag: str = "--out") -> None:
    """Checks the name of a picture and the folder it is to lie in.

    Raises:
        SettingsError: the suffix is none of those that such a picture can have.
        OutputNotWritableError: there is no such folder.
    """
    from dfs_store.errors import OutputNotWritableError, SettingsError

    if path.suffix.lower() not in suffixes:
        raise SettingsError(f"{flag} of {what} must end in {' or '.join(suffixes)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise OutputNotWritableError(f"{path}: the folder {path.parent} does not exist; create it first")


def page_paths(path: Path, pages: int) -> list[Path]:
    """Returns the files of a picture of several pages: sheet.png, or sheet-01.png, sheet-02.png ..."""
    if pages == 1:
        return [path]
    digits = max(2, len(str(pages)))
    return [path.with_name(f"{path.stem}-{page:0{digits}d}{path.suffix}") for page in range(1, pages + 1)]


def check_free(paths: Sequence[Path], *, overwrite: bool, flag: str = "--out") -> None:
    """Refuses to replace files unasked.

    Raises:
        OutputExistsError: one of them is there, and `overwrite` is off; or it is no file.
    """
    from dfs_store.errors import OutputExistsError

    taken = [path for path in paths if os.path.lexists(path)]
    for path in taken:
        if not overwrite or not path.is_file():
            more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
            remedy = f"add --overwrite to replace it, or choose another {flag}"
            raise OutputExistsError(f"{path}{more}: already exists; {remedy}")


def check_outside(path: Path, store: str) -> None:
    """Refuses to write into a store.

    Raises:
        SettingsError: the path is in the folder of the store.
    """
    from dfs_store.errors import SettingsError
    from dfs_store.format.io.place import locate

    place = locate(store)
    if isinstance(place, Path) and place.resolve() in path.resolve().parents:
        raise SettingsError(f"--out {path} is inside the store {store}; write beside it")


def write_files(paths: Sequence[Path], contents: Iterable[bytes]) -> Iterator[int]:
    """Writes the files of one picture: all of them, or none where one cannot be drawn or written.

    Yields:
        The bytes of each, once it is drawn; the names appear after the last.

    Raises:
        DiskFullError: there is no room.
        OutputNotWritableError: the disk refused.
    """
    from dfs_store.format.io.durable import Part, output_error, sync_folder, write_synced

    try:
        with Part(paths[0]) as part:
            for number, data in enumerate(contents):
                write_synced(part.page(number), data)
                yield len(data)
            for number, path in enumerate(paths):
                os.replace(part.page(number), path)
            sync_folder(paths[0].parent)
    except OSError as error:
        raise output_error(error, paths[0]) from error


def pages_left(paths: Sequence[Path]) -> list[Path]:
    """Returns files that look like further pages of the same picture, from when it had more of them."""
    first = paths[0]
    stem = first.stem if len(paths) == 1 else first.stem.rpartition("-")[0]
    pattern = re.compile(rf"{re.escape(stem)}-\d{{2,}}{re.escape(first.suffix)}")
    found = {path for path in first.parent.iterdir() if pattern.fullmatch(path.name)}
    return sorted(found - set(paths))
