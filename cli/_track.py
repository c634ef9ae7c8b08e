"""Records a run's events in its log and, if requested, in a tracker."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfs_store.condense import CondenseConfig, Event
    from dfs_store.condense.tracking.tracker import Tracker
    from dfs_store.videos import VideoDataset


def check_tracker(track: str | None) -> None:
    """Checks that the tracker is available, before anything is decoded.

    Raises:
        SettingsError: the tracker is unknown, or needs an account.
        MissingDependencyError: the tracker is not installed.
    """
    if track is not None:
        tracker = _tracker(track)
        tracker.check_installed()
        tracker.check_account()


def _tracker(track: str) -> "type[Tracker]":
    from dfs_store.condense.tracking.tensorboard import TensorboardTracker
    from dfs_store.condense.tracking.wandb import WandbTracker
    from dfs_store.names import known_name

    trackers: dict[str, type[Tracker]] = {each.name: each for each in (TensorboardTracker, WandbTracker)}
    return trackers[known_name(track, trackers, "--track")]


@contextlib.contextmanager
def recorded(
    settings: "CondenseConfig", videos: "VideoDataset", track: str | None, *, first: bool
) -> "Iterator[Callable[[Event], None]]":
    """Yields a callback that records a run's events on the first rank, and ignores them on the others."""
    from dfs_store.condense.runtime.event_log import EventLog, event_log_path

    with contextlib.ExitStack() as stack:
        takers: list[Callable[[Event], None]] = []
        if first:
            takers.append(stack.enter_context(EventLog(event_log_path(settings.out))).on_event)
        if first and track is not None:
            takers.append(stack.enter_context(_tracker(track)(settings, videos)).on_event)

        def take(event: "Event") -> None:
            for taker in takers:
                taker(event)

        yield take
