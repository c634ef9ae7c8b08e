"""Progress of a run that a signal can stop between two steps."""

import signal
from types import FrameType
from typing import NoReturn, Self

from .. import _output
from .._exit_codes import TerminatedError

# Schedulers send SIGUSR1 some time before they end a job.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StoppableProgress:
    """Shows the progress of a run, and handles the signals that stop it.

    On Ctrl-C, SIGTERM or SIGUSR1 during a step, the step is finished and a checkpoint is saved. On a second
    signal, or if no step is running, the run stops immediately.

    Args:
        label: name of the run, shown on the bar.
        quiet: whether to show nothing.
        stopped: message of the error that stops the run immediately.
    """

    def __init__(self, label: str, *, quiet: bool, stopped: str) -> None:
        self._quiet = quiet
        self._bar = _output.Progress(label, quiet=quiet)
        self._stopped = stopped
        self._signal: int | None = None
        self._in_steps = False

    def __enter__(self) -> Self:
        self._former = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        self._bar.__enter__()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.__exit__()
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None or not self._in_steps:
            _raise(number, self._stopped)
        self._signal = number
        if not self._quiet:
            self._bar.message(
                "finishing this step, then saving a checkpoint (interrupt again to stop at once)"
            )

    def _stop_if_signalled(self, message: str) -> None:
        """Raises the error that ends the command if a signal was received."""
        if self._signal is not None:
            _raise(self._signal, message)


def _raise(number: int, message: str) -> NoReturn:
    raise KeyboardInterrupt(message) if number == signal.SIGINT else TerminatedError(message)
