"""Shows progress while clips are decoded."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._output import Progress

if TYPE_CHECKING:
    from dfs_store.videos import PrepareProgress


def shown_on(progress: Progress) -> "Callable[[PrepareProgress], None]":
    """Returns an `on_progress` callback for `open_videos`."""

    def show(event: "PrepareProgress") -> None:
        if event.waiting:
            progress.update(event.done, event.total, "waiting: another process is preparing these clips")
            return
        failed = f"  {event.failed:,} failed" if event.failed else ""
        progress.update(event.done, event.total, f"{event.clips_per_second:.1f} clips/s{failed}")

    return show
