"""All exceptions that the library raises.

Each class also inherits from the matching built-in exception, so ``except ValueError`` and
``except FileNotFoundError`` work. Messages say what happened (with the value), what was expected and
what to do. The command line maps the classes to exit codes.
"""

import errno
from typing import ClassVar

__all__ = [
    "CheckpointError",
    "ClipError",
    "ClipTooLargeError",
    "DFSError",
    "DamagedStoreError",
    "DatasetNotFoundError",
    "DecodeError",
    "DiskFullError",
    "DivergedError",
    "EmptyClassError",
    "LostRankError",
    "MissingDependencyError",
    "NewerFormatError",
    "NotAStoreError",
    "OutOfMemoryError",
    "OutputExistsError",
    "OutputNotWritableError",
    "PositionsError",
    "SettingsError",
    "StoreNotFoundError",
    "StoreUnreachableError",
    "UnreadableClipsError",
]


class DFSError(Exception):
    """Base class of all errors that dfs-store raises."""


class SettingsError(DFSError, ValueError):
    """An option or argument has an invalid value."""


class PositionsError(SettingsError):
    """Key-frame positions are invalid: they must start at 0, end at T-1 and strictly increase."""


class ClipError(SettingsError):
    """A clip passed to the library has an invalid shape, dtype, label or value."""


class ClipTooLargeError(DFSError, ValueError):
    """A rebuilt clip would take more memory than allowed. The store itself may be intact."""


class OutputExistsError(DFSError, FileExistsError):
    """The output path already exists, and overwriting was not requested."""


class OutputNotWritableError(DFSError, PermissionError):
    """The output path cannot be created or is not writable."""


class StoreNotFoundError(DFSError, FileNotFoundError):
    """The path of a store does not exist."""


class StoreUnreachableError(DFSError, ConnectionError):
    """The server of a remote store does not respond or returns an error. The store itself may be intact."""


class NotAStoreError(DFSError, ValueError):
    """The path exists, but is not a DFS store."""


class DamagedStoreError(DFSError, ValueError):
    """A DFS store violates its format: it is truncated, altered or incomplete."""


class NewerFormatError(DFSError, ValueError):
    """A store uses a newer major version of the format than this version of the library can read."""


class DatasetNotFoundError(DFSError, FileNotFoundError):
    """A dataset's videos, lists or folders were not found."""


class EmptyClassError(DFSError, ValueError):
    """A class in a dataset has no usable clips."""


class DecodeError(DFSError, ValueError):
    """A video file could not be decoded."""


class UnreadableClipsError(DFSError, ValueError):
    """A file to import contains no clips, or cannot be read without running code stored in it."""


class CheckpointError(DFSError, ValueError):
    """A checkpoint is damaged or belongs to a run with different settings."""


class DivergedError(DFSError, ArithmeticError):
    """A loss became infinite or NaN."""


class OutOfMemoryError(DFSError, MemoryError):
    """The device or the host does not have enough memory."""


class LostRankError(DFSError, ConnectionError):
    """Another process of a distributed run ended unexpectedly."""


class DiskFullError(DFSError, OSError):
    """The disk does not have enough space.

    Attributes:
        NUMBERS: errno values that mean no space left, quota exceeded, or file too large.
    """

    NUMBERS: ClassVar[frozenset[int]] = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MissingDependencyError(DFSError, ImportError):
    """An optional dependency is required but not installed."""
