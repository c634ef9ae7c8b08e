"""Preparing a dataset as Ray tasks: the shards of `prepare --shard`, on whatever machines Ray has."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfs_store.errors import DFSError, MissingDependencyError
from dfs_store.names import counted
from dfs_store.videos.cache.entries import cache_root
from dfs_store.videos.cache.shards import Shard, ShardReport
from dfs_store.videos.files.catalogue import CATALOGUE
from dfs_store.videos.files.reading import PathLike
from dfs_store.videos.opening import describe, find_clips, open_shard

__all__ = ["prepare_on_ray"]

_RETRIES = 3  # of a task whose machine is lost; a shard continues where it was
_READING = ("root", "classes", "official_split", "test_list", "class_names", "folder_layout")


def prepare_on_ray(
    name_or_folder: PathLike,
    split: str = "train",
    *,
    workers: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
    **how: Any,  # noqa: ANN401 - passed on
) -> list[ShardReport]:
    """Brings the clips of one split into the cache, as a Ray task per shard.

    Connects to the cluster that RAY_ADDRESS names, or starts Ray on this machine. All machines must see the
    videos and the cache (DFS_CACHE) under the same paths. Shards are idempotent: a task that is run again
    continues, and the dataset may be prepared any other way at the same time.

    Args:
        name_or_folder: as `open_videos`.
        split: "train" or "test".
        workers: decoding processes of a task, 1 if None; there are as many tasks as the cluster has room for.
        on_done: called after every shard with the shards done and with all.
        **how: further options of `open_videos`.

    Returns:
        What each shard has left, in their order; of a built-in dataset, which has no files, nothing.

    Raises:
        MissingDependencyError: Ray is not installed.
        DFSError: as `open_videos`.
    """
    ray = _imported()
    if describe(name_or_folder).is_built_in:
        return []
    each = workers or 1
    name, how = _absolute(name_or_folder, how)
    num_files = len(find_clips(name, split=split, **{key: how[key] for key in _READING if key in how}).clips)
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
            f"Ray lost a task ({str(error).splitlines()[0]}); start again: what is prepared of "
            f"{counted(num_files, 'file')} is kept"
        ) from error
    finally:
        if started:
            ray.shutdown()


def _imported() -> Any:  # noqa: ANN401 - Ray's types are its own
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingDependencyError("--engine ray needs ray: pip install 'dfs-store[ray]'") from error
    return ray


def _absolute(name_or_folder: PathLike, how: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns name and options with full paths: a task has a working folder of its own."""
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
    """Prepares a shard in a worker of Ray, which need not have the environment of the command."""
    if data is not None:
        os.environ["DFS_DATA"] = data
    return open_shard(name, shard, split=split, **how)
