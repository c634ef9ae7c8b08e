"""Records the events of a run: always in its log, and in a tracker if requested."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfs_store.condense import CondenseConfig, Event
    from dfs_store.videos import VideoDataset

TRACKERS = ("tensorboard",)


def check_tracker(track: str | None) -> None:
    """Raises SettingsError for an unknown tracker, MissingDependencyError if it is not installed."""
    import importlib.util

    from dfs_store.errors import MissingDependencyError
    from dfs_store.names import known_name

    if track is None:
        return
    known_name(track, TRACKERS, "--track")
    if importlib.util.find_spec(track) is None:
        raise MissingDependencyError(f"--track {track} needs {track}: pip install 'dfs-store[{track}]'")


@contextlib.contextmanager
def recorded(
    settings: "CondenseConfig", videos: "VideoDataset", track: str | None, *, first: bool
) -> "Iterator[Callable[[Event], None]]":
    """Yields a callback that records the events of a run; it does nothing except on the first rank."""
    from dfs_store.condense.runtime.event_log import EventLog, event_log_path

    with contextlib.ExitStack() as stack:
        takers: list[Callable[[Event], None]] = []
        if first:
            takers.append(stack.enter_context(EventLog(event_log_path(settings.out))).on_event)
        if first and track == "tensorboard":
            from dfs_store.condense.runtime.tensorboard import TensorboardTracker, tensorboard_folder

            tracker = TensorboardTracker(
                tensorboard_folder(settings.out),
                classes=videos.classes,
                vpc=settings.vpc,
                normalization=videos.normalization,
                num_frames=videos.num_frames,
            )
            takers.append(stack.enter_context(tracker).on_event)

        def take(event: "Event") -> None:
            for taker in takers:
                taker(event)

        yield take
