"""Checks output files before anything is drawn, and writes all of them or none."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


def check_picture_path(path: Path, suffixes: Sequence[str], what: str) -> None:
    """Raises SettingsError for a wrong suffix, or OutputNotWritableError if the folder does not exist."""
    from dfs_store.errors import OutputNotWritableError, SettingsError

    if path.suffix.lower() not in suffixes:
        allowed = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise SettingsError(f"--out for {what} must end in {allowed}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise OutputNotWritableError(f"{path}: the folder {path.parent} does not exist; create it first")


def page_paths(path: Path, pages: int) -> list[Path]:
    """Returns a path for each page: sheet.png for a single page, otherwise sheet-01.png, sheet-02.png, ..."""
    if pages == 1:
        return [path]
    digits = max(2, len(str(pages)))
    return [path.with_name(f"{path.stem}-{page:0{digits}d}{path.suffix}") for page in range(1, pages + 1)]


def check_free(paths: Sequence[Path], *, overwrite: bool, flag: str = "--out") -> None:
    """Raises OutputExistsError for an existing path, unless `overwrite` is True and it is a regular file."""
    from dfs_store.errors import OutputExistsError

    taken = [path for path in paths if os.path.lexists(path)]
    for path in taken:
        if not path.is_file():
            raise OutputExistsError(
                f"{path} is a folder, pipe or device, and these are never replaced; choose a different {flag}"
            )
        if not overwrite:
            more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
            remedy = f"add --overwrite to replace it, or choose a different {flag}"
            raise OutputExistsError(f"{path}{more} already exists; {remedy}")


def check_outside(path: Path, store: str) -> None:
    """Raises SettingsError if the path is inside the store's folder."""
    from dfs_store.errors import SettingsError
    from dfs_store.format.io.place import locate

    place = locate(store)
    if isinstance(place, Path) and place.resolve() in path.resolve().parents:
        raise SettingsError(f"--out {path} is inside the store {store}; choose a path outside it")


def write_files(paths: Sequence[Path], contents: Iterable[bytes]) -> Iterator[int]:
    """Writes the files of a picture, or none of them if one cannot be drawn or written.

    Yields:
        The size of each file in bytes, once the file has been drawn. The files appear after the last one is
        drawn.

    Raises:
        DiskFullError: the disk is full.
        OutputNotWritableError: a file cannot be written.
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
    """Returns files that look like pages left over from an earlier, longer version of the same picture."""
    first = paths[0]
    stem = first.stem if len(paths) == 1 else first.stem.rpartition("-")[0]
    pattern = re.compile(rf"{re.escape(stem)}-\d{{2,}}{re.escape(first.suffix)}")
    found = {path for path in first.parent.iterdir() if pattern.fullmatch(path.name)}
    return sorted(found - set(paths))
