"""Every exception of the library.

Each one also inherits the builtin that a caller would expect, so ``except ValueError`` and
``except FileNotFoundError`` keep working. A message says what happened, with which values, what
the rule is, and what to do next. The command line maps these classes to exit codes in one table.
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
    """Base of every error that dfs-store raises on purpose."""


class SettingsError(DFSError, ValueError):
    """An option or argument has a value outside its rule."""


class PositionsError(SettingsError):
    """Key-frame positions break the rules of a clip (first 0, last T-1, strictly increasing)."""


class ClipError(SettingsError):
    """Key frames handed to the library have a wrong shape, dtype, label or value."""


class ClipTooLargeError(DFSError, ValueError):
    """A rebuilt clip would take more memory than is allowed; its store may be sound."""


class OutputExistsError(DFSError, FileExistsError):
    """The output path is taken and overwriting was not asked for."""


class OutputNotWritableError(DFSError, PermissionError):
    """The output path cannot be created or written."""


class StoreNotFoundError(DFSError, FileNotFoundError):
    """There is nothing at the path of a store."""


class StoreUnreachableError(DFSError, ConnectionError):
    """The server of a remote store does not answer, fails, or refuses; the store itself may be whole."""


class NotAStoreError(DFSError, ValueError):
    """There is something at the path, but it is no DFS store."""


class DamagedStoreError(DFSError, ValueError):
    """A DFS store breaks a rule of its format: cut short, altered or never finished."""


class NewerFormatError(DFSError, ValueError):
    """A store was written by a newer major version of the format than this library reads."""


class DatasetNotFoundError(DFSError, FileNotFoundError):
    """The videos, lists or folders of a dataset are not where they were looked for."""


class EmptyClassError(DFSError, ValueError):
    """A class of a dataset has no clip that can be used."""


class DecodeError(DFSError, ValueError):
    """A video file cannot be decoded."""


class UnreadableClipsError(DFSError, ValueError):
    """A file to import holds no clips, cannot be read, or only by running code that it names."""


class CheckpointError(DFSError, ValueError):
    """A checkpoint is damaged or belongs to a run with other settings."""


class DivergedError(DFSError, ArithmeticError):
    """A loss became infinite or not a number."""


class OutOfMemoryError(DFSError, MemoryError):
    """The device or the host has not enough memory for the run."""


class LostRankError(DFSError, ConnectionError):
    """Another process of a run that is split over several has ended."""


class DiskFullError(DFSError, OSError):
    """The disk has not enough space for what is to be written.

    Attributes:
        NUMBERS: what the system calls it: no space, a quota, a limit on file sizes.
    """

    NUMBERS: ClassVar[frozenset[int]] = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MissingDependencyError(DFSError, ImportError):
    """An optional library is needed and not installed."""
