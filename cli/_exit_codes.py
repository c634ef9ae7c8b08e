"""The table of exit codes by error class, and the wrapper that applies the table to every command."""

import functools
import os
import signal
import warnings
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

import typer

from dfs_store import errors

from ._output import complain, discard_output, note


class TerminatedError(BaseException):
    """Raised when the process receives SIGTERM.

    This is a BaseException, like KeyboardInterrupt, so that `except Exception` does not catch it.
    """


FOUND_WANTING = 1
WRONG_USAGE = 2
BAD_INPUT = 3
NEWER_FORMAT = 4
NO_SPACE = 5
BUG = 70
INTERRUPTED = 130
TERMINATED = 143

# The first matching class applies.
TABLE: tuple[tuple[type[BaseException], int], ...] = (
    (errors.DivergedError, FOUND_WANTING),
    (errors.SettingsError, WRONG_USAGE),
    (errors.OutputExistsError, WRONG_USAGE),
    (errors.OutputNotWritableError, WRONG_USAGE),
    (errors.MissingDependencyError, WRONG_USAGE),
    (errors.CheckpointError, WRONG_USAGE),
    (errors.NewerFormatError, NEWER_FORMAT),
    (errors.OutOfMemoryError, NO_SPACE),
    (errors.DiskFullError, NO_SPACE),
    (errors.LostRankError, TERMINATED),
    (errors.DFSError, BAD_INPUT),
    (MemoryError, NO_SPACE),
    (KeyboardInterrupt, INTERRUPTED),
    (TerminatedError, TERMINATED),
)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise TerminatedError


def _show_warning(message: Warning | str, *_where: object) -> None:
    note(f"dfs: {message}")


def exit_code(error: BaseException) -> int:
    """Returns the exit code of an error."""
    return next((code for kind, code in TABLE if isinstance(error, kind)), BUG)


P = ParamSpec("P")


def command(function: Callable[P, int | None]) -> Callable[P, None]:
    """Wraps a command so that an error becomes one message on stderr and an exit code.

    The command returns its exit code, or None for 0. With DFS_DEBUG=1, errors are raised with a traceback.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        former = signal.signal(signal.SIGTERM, _terminate)
        former_show = warnings.showwarning
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            code = function(*args, **kwargs) or 0
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError:
            # The reader closed the pipe (`dfs inspect | head`), which is not an error.
            discard_output()
            code = 0
        except BaseException as error:
            # When a process dies, torchrun terminates the others, which must still report the lost process.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if isinstance(error, TerminatedError) and isinstance(error.__context__, errors.LostRankError):
                error = error.__context__
            if os.environ.get("DFS_DEBUG") == "1":
                raise
            code = exit_code(error)
            complain(error, bug=code == BUG)
        finally:
            signal.signal(signal.SIGTERM, former)
            warnings.showwarning = former_show
        if code:
            raise typer.Exit(code)

    return wrapped
