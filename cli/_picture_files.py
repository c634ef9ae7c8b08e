"""Where pictures go: checked before anything is drawn, written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path


def check_picture_path(path: Path, suffixes: Sequence[str], what: str) -> None:
    """Checks the name of a picture and the folder it is to lie in.

    Raises:
        SettingsError: the suffix is none of those that such a picture can have.
        OutputNotWritableError: there is no such folder.
    """
    from dfs_store.errors import OutputNotWritableError, SettingsError

    if path.suffix.lower() not in suffixes:
        raise SettingsError(
            f"--out of {what} must end in {' or '.join(suffixes)}, got {str(path)!r}; --kind chooses another "
            "kind of picture"
        )
    if not path.parent.is_dir():
        raise OutputNotWritableError(f"{path}: the folder {path.parent} does not exist; create it first")


def page_paths(path: Path, pages: int) -> list[Path]:
    """Returns the files of a picture of several pages: sheet.png, or sheet-01.png, sheet-02.png ..."""
    if pages == 1:
        return [path]
    digits = len(str(pages))
    return [path.with_name(f"{path.stem}-{page:0{digits}d}{path.suffix}") for page in range(1, pages + 1)]


def check_free(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Refuses to replace files unasked.

    Raises:
        OutputExistsError: one of them is there, and `overwrite` is off; or it is no file.
    """
    from dfs_store.errors import OutputExistsError

    taken = [path for path in paths if path.exists()]
    for path in taken:
        if not overwrite or not path.is_file():
            more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
            remedy = "add --overwrite to replace it, or choose another --out"
            raise OutputExistsError(f"{path}{more}: exists already; {remedy}")


def write_file(path: Path, data: bytes) -> None:
    """Writes a file that is either absent, old or whole at every moment.

    Raises:
        DiskFullError: there is no room.
        OutputNotWritableError: the disk refused.
    """
    from dfs_store.format.transaction import output_error
    from dfs_store.videos.cache import write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise output_error(error, path) from error
