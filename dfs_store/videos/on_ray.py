"""Prepares a dataset with Ray, one task per shard."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfs_store.errors import DFSError, MissingDependencyError
from dfs_store.names import first_line
from dfs_store.videos.cache.entries import cache_root
from dfs_store.videos.cache.shards import Shard, ShardReport
from dfs_store.videos.files.catalogue import CATALOGUE
from dfs_store.videos.files.reading import READING, PathLike
from dfs_store.videos.opening import describe, find_clips, open_shard

__all__ = ["prepare_on_ray"]

_RETRIES = 3  # for a task whose machine is lost; its shard continues where it stopped


def prepare_on_ray(
    name_or_folder: PathLike,
    split: str = "train",
    *,
    workers: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
    **how: Any,  # noqa: ANN401 - passed on
) -> list[ShardReport]:
    """Decodes the clips of one split into the cache, with one Ray task per shard.

    Connects to the cluster at RAY_ADDRESS, or starts Ray on this machine. All machines must have the videos
    and the cache (DFS_CACHE) at the same paths. A task that is run again resumes its shard. Other processes
    may prepare the dataset at the same time.

    Args:
        name_or_folder: see `open_videos`.
        split: "train" or "test".
        workers: number of decoding processes per task; 1 if None. The number of tasks depends on the number
            of CPUs in the cluster.
        on_done: called after every shard with the number of shards done and the total.
        **how: further options of `open_videos`.

    Returns:
        The report of each shard, in order; an empty list for a built-in dataset, which has no files.

    Raises:
        MissingDependencyError: Ray is not installed.
        DFSError: see `open_videos`.
    """
    ray = _imported()
    if describe(name_or_folder).is_built_in:
        return []
    each = workers or 1
    name, how = _absolute(name_or_folder, how)
    num_files = len(find_clips(name, split=split, **{key: how[key] for key in READING if key in how}).clips)
    data = os.environ.get("DFS_DATA")
    data = None if data is None else str(Path(data).absolute())
    started = not ray.is_initialized()
    if started:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(log_to_driver=False, logging_level="warning", include_dashboard=False)
    try:
        count = max(1, min(num_files, int(ray.cluster_resources().get("CPU", 1)) // each))
        task = ray.remote(num_cpus=each, max_retries=_RETRIES)(_shard)
        pending = [
            task.remote(data, name, Shard(number, count), split, workers=each, **how)
            for number in range(1, count + 1)
        ]
        tasks, done = list(pending), 0
        while pending:
            finished, pending = ray.wait(pending)
            ray.get(finished)
            done += len(finished)
            if on_done is not None:
                on_done(done, count)
        reports: list[ShardReport] = ray.get(tasks)
        return reports
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DFSError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise DFSError(
            f"Ray lost a task ({first_line(error)}). Run the command again; it continues from the "
            "files that are already prepared"
        ) from error
    finally:
        if started:
            ray.shutdown()


def _imported() -> Any:  # noqa: ANN401 - Ray's types are its own
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingDependencyError(
            "--engine ray needs Ray, which is not installed; install it with: pip install 'dfs-store[ray]'"
        ) from error
    return ray


def _absolute(name_or_folder: PathLike, how: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the name and the options with absolute paths, since tasks run in other working directories."""
    name = os.fspath(name_or_folder)
    if name not in CATALOGUE:
        name = str(Path(name).expanduser().absolute())
    full = {
        key: str(Path(value).expanduser().absolute())
        for key in ("root", "test_list", "class_names")
        if isinstance(value := how.get(key), str | os.PathLike)
    }
    return name, {**how, **full, "cache_dir": str(cache_root(how.get("cache_dir")).absolute())}


def _shard(data: str | None, name: str, shard: Shard, split: str, **how: Any) -> ShardReport:  # noqa: ANN401
    """Prepares a shard in a Ray worker, whose environment variables may differ from the caller's."""
    if data is not None:
        os.environ["DFS_DATA"] = data
    return open_shard(name, shard, split=split, **how)
