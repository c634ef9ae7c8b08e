"""Condenses real clips into a store on disk."""

import datetime
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from dfs_store.condense.condensed import Condensed
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.real_starts import clips_per_class
from dfs_store.condense.events import Event, StoreWritten
from dfs_store.condense.plan import Plan, check_place, plan_run
from dfs_store.condense.runtime.checkpoint import remove_checkpoints
from dfs_store.condense.runtime.device import limited_memory, resolve_device
from dfs_store.condense.runtime.disk import warn_of_disk
from dfs_store.condense.runtime.ranks import Ranks
from dfs_store.condense.runtime.run_lock import run_lock
from dfs_store.condense.runtime.snapshots import finish_snapshots
from dfs_store.condense.teacher import soft_labels_of, teacher_of
from dfs_store.condense.training_clips import TrainingClips
from dfs_store.errors import ClipError, PositionsError, SettingsError
from dfs_store.format import KeyFrameStore, StoreWriter, copy_store, open_store
from dfs_store.format.coded.span import levels_that_span
from dfs_store.format.io.place import local_beside
from dfs_store.loaders.precision import full_float32
from dfs_store.names import counted
from dfs_store.networks import ConvNet3D
from dfs_store.videos import VideoDataset
from dfs_store.videos.files.source import recorded_source

__all__ = ["condense"]

_SOFTWARE = ("dfs-store", "torch", "torchvision", "numpy", "zarr", "h5py", "av", "decord")


def condense(
    config: CondenseConfig | Plan, videos: VideoDataset, *, on_event: Callable[[Event], None] | None = None
) -> KeyFrameStore | None:
    """Condenses real clips into a store at `config.out`.

    On the same machine, equal settings and clips produce equal arrays. The store appears at `config.out` only
    once it is complete. If `on_event` raises an exception between two steps (as on Ctrl-C), a checkpoint is
    kept next to `config.out`, from which `resume=True` continues to exactly the same arrays.

    If torch.distributed is initialised, with any backend, its processes share the classes of dfs and dm, and
    the first one writes the store; all must call this function with equal settings and clips. The number of
    processes does not affect the result. Other methods run only on the first process.

    Args:
        config: the settings, or the plan that `plan_run` made from them. Settings that are None are taken
            from the preset.
        videos: real clips of the training split, from `dfs_store.open_videos`. If the dataset has several
            official splits, they must come from `config.split`.
        on_event: called with every event of `dfs_store.condense.events`.

    Returns:
        The open store, or None on all processes but the first. Close the store, or use it in a `with`
        statement.

    Raises:
        SettingsError: the settings are invalid, or do not work with these clips.
        OutputExistsError: `config.out` already exists and `overwrite` is not set, or another run is
            condensing into it.
        OutputNotWritableError: `config.out` cannot be written.
        DivergedError: the loss is no longer finite.
        OutOfMemoryError: the device runs out of memory even with one clip at a time; the last periodic
            checkpoint is kept.
        DiskFullError: the disk does not have enough space for the store or a checkpoint. Raised before the
            run starts if the initial key frames would not fit.
        CheckpointError: the checkpoint to resume is damaged, or was made with different settings.
        LostRankError: another process ended unexpectedly; the last checkpoint is kept.
    """
    plan = config if isinstance(config, Plan) else None
    config = config.config if isinstance(config, Plan) else config.resolved()
    check_place(config)  # even for a plan, which may be hours old
    if videos.official_split is not None and config.split not in (None, videos.official_split):
        raise SettingsError(
            f"split is {config.split}, but the clips are from official split {videos.official_split}; open "
            f"them with official_split={config.split}, or set split={videos.official_split}"
        )
    if config.hold_out is not None:
        videos, _ = videos.hold_out(config.hold_out)
    if plan is None or plan.real_clips != TrainingClips.of(videos):
        plan = plan_run(config, videos)  # counting does not detect undecodable files, which change the plan
    plan.check_disk()
    warn_of_disk(config.out, plan.disk)
    with limited_memory(resolve_device(config.device), config.max_memory_bytes), full_float32():
        return _condense(config, videos, on_event or (lambda _: None))


def _condense(
    config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]
) -> KeyFrameStore | None:
    ranks, store = Ranks.current(), None
    if ranks.is_first:
        with run_lock(config.out):
            # The teacher is trained first, so that a failure does not waste hours of condensing.
            teacher = teacher_of(videos, resolve_device(config.device), tell) if config.soft_labels else None
            store = _write(config, videos, config.record.run(config, videos, tell), teacher)
            num_key_frames, digest = int(store.offsets[-1]), str(store.attributes["digest"])
            finish_snapshots(config, digest)
            tell(StoreWritten(config.out, len(store), num_key_frames, digest))
    elif config.record.shares_classes:
        for _ in config.record.run(config, videos, tell).clips:
            pass  # sent to the first rank
    ranks.totals([0])  # all processes wait until the store is complete
    return store


def _write(
    config: CondenseConfig,
    videos: VideoDataset,
    condensed: Condensed,
    teacher: tuple[ConvNet3D, dict[str, Any]] | None,
) -> KeyFrameStore:
    if teacher is None:
        _write_clips(config, videos, condensed)
    else:
        network, about = teacher
        provenance = {**condensed.provenance, "teacher": about}
        with _unlabelled(config) as first:
            _write_clips(first, videos, condensed._replace(provenance=provenance))
            with open_store(first.out) as store:
                labels = soft_labels_of(store, network)
            copy_store(first.out, config.out, soft_labels=labels, overwrite=config.overwrite)
    remove_checkpoints(config.out)
    return open_store(config.out)


@contextmanager
def _unlabelled(config: CondenseConfig) -> Iterator[CondenseConfig]:
    """Yields the settings for a temporary store next to `out`, from which the teacher reads the clips.

    The store is removed at the end. Its name is derived from `out`, so that a run replaces the temporary
    store of an earlier run that was killed.
    """
    beside = local_beside(config.out)
    path = beside.with_name(f".{beside.name}.unlabelled.zarr")
    try:
        yield replace(config, out=str(path), overwrite=True)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _write_clips(config: CondenseConfig, videos: VideoDataset, condensed: Condensed) -> None:
    clips, levels = condensed.clips, None
    if config.frame_encoding is not None and config.iterates:
        # Trained key frames exceed the range of pixels, so the scale of the levels depends on all of them.
        made = list(clips)
        clips, levels = iter(made), levels_that_span((c.key_frames for c in made), videos.normalization)
    with StoreWriter(
        config.out,
        num_frames=videos.num_frames,
        frame_shape=videos.frame_shape,
        class_names=videos.classes,
        dtype=config.stored_dtype,
        encoding=config.encoding,
        levels=levels,
        attributes={
            "normalization": videos.normalization,
            "fps": videos.fps,
            "provenance": _provenance(config, videos, condensed),
        },
        overwrite=config.overwrite,
    ) as writer:
        counts = dict.fromkeys(range(len(videos.classes)), 0)
        for clip in clips:
            try:
                if clip.files is None:
                    writer.append(clip.key_frames, clip.positions, clip.label, clip.inserted_at)
                else:
                    writer.append_encoded(clip.files, clip.positions, clip.label, clip.inserted_at)
            except (ClipError, PositionsError) as error:
                raise type(error)(f"method {config.method}, clip {len(writer)}: {error}") from error
            counts[int(clip.label)] += 1
        real = clips_per_class(videos)
        for label, count in counts.items():
            if count != (wanted := config.clips_of(real[videos.classes[label]])):
                raise SettingsError(
                    f"method {config.method} returned {counted(count, 'clip')} of class "
                    f"{videos.classes[label]!r}, but --vpc {config.vpc} needs {wanted}"
                )
        if condensed.native is not None:
            if config.record.training_clips is None:
                raise SettingsError(
                    f"method {config.method} returned native arrays, which only built-in methods may "
                    "store; return only key frames"
                )
            writer.write_native(config.method, condensed.native)


def _provenance(config: CondenseConfig, videos: VideoDataset, condensed: Condensed) -> dict[str, Any]:
    dataset = recorded_source(config.dataset, config.out)
    lists = {
        name: recorded_source(path, config.out)
        for name in ("test_list", "class_names")
        if (path := getattr(config, name)) is not None
    }
    return {
        "method": config.method,
        "dataset": dataset,
        "vpc": config.vpc,
        "seed": config.seed,
        "config": {**config.provenance(), "dataset": dataset, **lists},
        "sampling": asdict(videos.sampling),
        "software": software_versions(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "sources": condensed.sources,
        "source_bytes": videos.source_bytes(condensed.chosen),
        # On a CPU, the last bits of sums depend on the number of threads.
        "threads": torch.get_num_threads(),
        **condensed.provenance,
    }


def software_versions() -> dict[str, str]:
    """Returns the versions of Python and of the libraries that a store's values depend on."""
    found = {"python": platform.python_version()}
    for name in _SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
