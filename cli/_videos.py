"""Opens the real clips for a command, and shows progress while they are prepared."""

from typing import TYPE_CHECKING

from dfs_store.names import counted

from . import _output
from .shown.prepare_progress import shown_on

if TYPE_CHECKING:
    from dfs_store.condense import CondenseConfig
    from dfs_store.videos import VideoDataset
    from dfs_store.videos.of_store import StoreVideos


def open_with_progress(
    settings: "CondenseConfig | StoreVideos",
    part: str,
    *,
    quiet: bool,
    max_memory: int | None = None,
    random_starts: int = 0,
    seed: int = 0,
) -> "VideoDataset":
    """Opens the "train" or "test" part, decoding it first if it is not in the cache.

    Training clips are sampled with seed 0 regardless of the run's seed, so that runs share one cache entry.
    Test clips have `random_starts` views with random starts, which depend on the seed.
    """
    from dfs_store import open_videos
    from dfs_store.videos.of_store import clips_named_by

    with _output.Progress(f"prepare {part}", quiet=quiet) as progress:
        videos = open_videos(
            split=part,
            **clips_named_by(settings),
            frames=settings.frames,
            stride=settings.stride,
            size=settings.size,
            random_starts=random_starts,
            seed=seed,
            max_memory=max_memory,
            decoder=settings.decoder or "auto",
            normalization=getattr(settings, "normalization", "imagenet"),
            on_progress=shown_on(progress),
        )
    if quiet:
        return videos
    for remark in videos.remarks:
        _output.note(f"note: {videos.split}: {remark}")
    if videos.missing:
        _output.note(
            f"note: {counted(len(videos.missing), 'file')} from the {videos.split} list not found, such as "
            f"{videos.missing[0]}"
        )
    if videos.failed:
        first = videos.failed[0]
        _output.note(
            f"note: {counted(len(videos.failed), 'file')} skipped because decoding failed, such as "
            f"{first['file']}: {first['reason']} (`dfs datasets prepare` lists all of them)"
        )
    return videos
