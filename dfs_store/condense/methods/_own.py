"""User-defined methods: `module:name` of a record, or of a function that yields clips."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dfs_store.condense.condensed import Condensed, CondensedClip
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.method import Method
from dfs_store.errors import DFSError, SettingsError
from dfs_store.user_code import imported, working_folder_on_path

if TYPE_CHECKING:
    from dfs_store.condense.config import CondenseConfig
    from dfs_store.videos import VideoDataset

__all__ = ["own_method"]

Tell = Callable[[Event], None]


def own_method(name: str) -> Method:
    """Returns the record of a user-defined method, importing it each time so that reloads take effect.

    Raises:
        SettingsError: there is no such name, or it is neither a function nor a record.
    """
    found = imported(name, "--method", "function")
    if isinstance(found, Method):
        return replace(found, run=_guarded(name, found.run))
    if not callable(found):
        raise SettingsError(f"--method {name} must be a function or a Method, got {type(found).__name__}")
    return Method(run=_guarded(name, _run_of(found)), key_frames=lambda _, num_frames: (1, num_frames))


def _run_of(function: Callable[..., Iterable[Any]]) -> Callable[..., Condensed]:
    def run(config: "CondenseConfig", videos: "VideoDataset", tell: Tell) -> Condensed:
        num_clips = config.per_class * len(videos.classes)
        tell(RunStarted(step=0, iterations=0, num_clips=num_clips, device="cpu", notes=config.notes()))
        return Condensed(CondensedClip(*clip) for clip in function(config, videos))

    return run


def _guarded(name: str, run: Callable[..., Condensed]) -> Callable[..., Condensed]:
    """Wraps a method so that it can import modules from the current folder and its errors name it."""

    def guarded(config: "CondenseConfig", videos: "VideoDataset", tell: Tell) -> Condensed:
        with _errors_named(name):
            made = run(config, videos, tell)
            if not isinstance(made, Condensed):
                raise TypeError(f"run must return a Condensed, got {type(made).__name__}")
        return made._replace(clips=clips(made.clips))

    def clips(made: Iterator[CondensedClip]) -> Iterator[CondensedClip]:
        while True:
            with _errors_named(name):
                clip = next(made, None)
            if clip is None:
                return
            yield clip

    return guarded


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    try:
        with working_folder_on_path():
            yield
    except DFSError:
        raise
    except Exception as error:  # whatever the user's code raises
        raise SettingsError(f"method {name} raised {type(error).__name__}: {error}") from error
