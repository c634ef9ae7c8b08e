"""Opens a store and checks every rule that does not concern frames, for `open_store` and `verify`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from dfs_store.errors import DamagedStoreError, StoreNotFoundError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.checks.rules import array_problems
from dfs_store.format.container import ContainerReader, RowSource
from dfs_store.format.containers import open_container
from dfs_store.format.digest import compute_digest
from dfs_store.format.io.durable import former_outputs
from dfs_store.format.io.place import Place
from dfs_store.format.native import native_bytes
from dfs_store.format.spec import CODED, FRAMES, MAX_FRAME_BYTES, NATIVE, SMALL_ARRAYS, Header, parse_header
from dfs_store.format.stored_frames import PlainFrames, StoredFrames

__all__ = ["Examination", "examine", "examine_or_raise"]

_MOST_TRIES = 20
_MOST_EXPANDED = 8  # size limit for compressed native arrays, as a multiple of the store's size


@dataclass
class Examination:
    """The content of a store whose frames have not been read, and every broken rule that was found.

    Attributes:
        reader: reader of the store's files.
        header: the validated attributes.
        frames: the key frames, or None if they cannot be read.
        arrays: the small arrays that could be read.
        problems: broken rules, in the order of the checks.
        indexed: whether offsets are valid, so that frames can be assigned to clips.
    """

    reader: ContainerReader
    header: Header
    frames: StoredFrames | None = None
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    indexed: bool = False


def examine(path: Place, *, thorough: bool = False) -> Examination:
    """Opens a store and checks everything except its frames.

    Args:
        path: path or URL of the store.
        thorough: whether to include checks that a remote store defers to the first read of a frame.

    Raises:
        StoreNotFoundError, NotAStoreError: the path does not exist, or is not a store.
        NewerFormatError: the store was written by a newer major version.
        DamagedStoreError: the attributes cannot be read, so nothing else can be checked.
    """
    for _ in range(_MOST_TRIES):
        reader = open_container(path)
        try:
            found = Examination(reader, parse_header(reader.attributes(), path))
            _check_arrays(found, thorough=thorough)
        except DamagedStoreError:
            if reader.was_replaced(suspected=True):
                continue
            raise
        finally:
            reader.close()
        # If the store was replaced in the meantime, parts of the two stores must not be combined.
        if not reader.was_replaced(suspected=bool(found.problems)):
            return found
    raise DamagedStoreError(
        f"{path} was replaced {_MOST_TRIES} times while it was being opened; try again later"
    )


def examine_or_raise(path: Place) -> Examination:
    """Opens a store. Raises the errors of `examine`, or DamagedStoreError for the first broken rule."""
    try:
        found = examine(path)
    except StoreNotFoundError as error:
        if kept := former_outputs(path):
            raise StoreNotFoundError(
                f"{error}; an interrupted overwrite left the old store at {kept[0]}: rename it back"
            ) from None
        raise
    if found.problems:
        first, more = found.problems[0], len(found.problems) - 1
        where = "" if str(path) in first.message else f"{path}: "
        clip = "" if first.clip is None else f" (clip {first.clip})"
        rest = f"; dfs verify lists {more} more" if more else ""
        raise DamagedStoreError(f"{where}{first.message}{clip}{rest}")
    return found


def _check_arrays(found: Examination, *, thorough: bool) -> None:
    header, encoded = found.header, found.header.frame_encoding is not None
    try:
        rows = found.reader.rows(CODED if encoded else FRAMES)
    except DamagedStoreError as error:
        found.problems.append(Problem(str(error)))
        return
    _read_arrays(found)
    if not encoded and rows.shape[1:] != header.frame_shape:
        found.problems.append(
            Problem(f"{FRAMES} must have frames of shape {header.frame_shape}, got {rows.shape[1:]}")
        )
    if not found.problems:
        found.problems += _array_problems(header, found.arrays, rows)
    if found.problems:
        return
    found.indexed = True
    if encoded:
        from dfs_store.format.coded.frames import CodedFrames  # lazily, because it imports Pillow

        found.frames = CodedFrames(rows, header, found.arrays)
    else:
        found.frames = PlainFrames(rows, found.arrays["checksums"])
    _check_digest(found, rows)
    _check_native(found)
    # Checked last, because the number of shards follows from sizes that must have been checked.
    found.problems += found.frames.problems(thorough=thorough)


def _array_problems(
    header: Header, arrays: dict[str, npt.NDArray[Any]], rows: RowSource
) -> Iterator[Problem]:
    if header.frame_encoding is None:
        return array_problems(header, arrays, rows.shape[0], rows.dtype)
    num_key_frames = arrays["positions"].size if "positions" in arrays else 0
    return array_problems(header, arrays, num_key_frames, "uint8", rows.shape[0])


def _read_arrays(found: Examination) -> None:
    for name, dtype in SMALL_ARRAYS.items():
        try:
            array = found.reader.array(name, dtype)
        except DamagedStoreError as error:
            found.problems.append(Problem(str(error), name))
            continue
        if array is not None:
            array.setflags(write=False)
            found.arrays[name] = array


def _check_digest(found: Examination, rows: RowSource) -> None:
    try:
        digest = compute_digest(found.header.attributes, found.arrays, rows.shape, rows.dtype)
    except ValueError as error:
        digest = f"none ({error})"
    if digest != found.header.digest:
        found.problems.append(
            Problem(
                f"the digest of the small arrays and attributes is {digest}, but the header states "
                f"{found.header.digest}; an array or attribute was altered"
            )
        )


def _check_native(found: Examination) -> None:
    claimed = native_bytes(found.header)
    if not claimed:
        return
    real = found.reader.on_disk_bytes()
    limit = real if found.reader.read_path == "fast" else max(_MOST_EXPANDED * real, MAX_FRAME_BYTES)
    if claimed > limit:
        found.problems.append(
            Problem(
                f"the header claims {claimed:,} bytes of native arrays, but the store has only {real:,}",
                NATIVE,
            )
        )
