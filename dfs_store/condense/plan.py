"""Plans a run: computes and checks its memory and disk requirements before decoding any video."""

import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.initialise import clips_together, key_frames_device
from dfs_store.condense.engine.real_clips import real_clips_fit
from dfs_store.condense.engine.real_starts import check_real_clips
from dfs_store.condense.runtime.checkpoint import checkpoints_of
from dfs_store.condense.runtime.device import (
    chunk_clips,
    clip_activation_bytes,
    clip_forward_bytes,
    limited_memory,
    real_clips_at_a_time,
    resolve_device,
    total_memory_bytes,
)
from dfs_store.condense.runtime.disk import DiskNeed, check_disk, free_bytes
from dfs_store.condense.runtime.snapshots import check_snapshots
from dfs_store.condense.training_clips import TrainingClips, count_training_clips
from dfs_store.errors import SettingsError
from dfs_store.format import check_output
from dfs_store.format.spec import frame_size_bytes
from dfs_store.networks.convnet3d import SMALLEST_SIZE, check_convnet3d
from dfs_store.videos import VideoDataset

__all__ = ["Plan", "check_place", "plan_run"]


@dataclass(frozen=True)
class Plan:
    """The plan of a run, made by `plan_run` and executed by `condense`.

    Attributes:
        config: the resolved settings.
        real_clips: counts and shape of the real clips for which the plan was made.
        settings: the settings that determine the result, as in the provenance.
        preset: source of the settings that were not given.
        notes: remarks for the user, for example on settings that have no effect.
        device: name of the device.
        num_classes: number of classes of the dataset.
        num_real_clips: number of real clips in the training split.
        num_clips: N, the number of synthetic clips.
        num_frames: T, the number of frames per clip.
        frame_shape: shape of a frame, (C, H, W).
        phases: name and half-open range of steps of each phase; empty if the method does not iterate.
        native_bytes: size of the native arrays in the store (memories of static-dynamic); None if there are
            none.
        soft_label_bytes: size of the soft labels in the store; None without soft labels.
        first_bytes, most_bytes: size of the stored key frames: initially, and if every frame became a key
            frame.
        real_bytes: size of the real clips as uint8, both in the cache and, if they fit, on the device.
        real_on_device: whether the real clips fit on the device; if not, they are streamed.
        key_frame_memory_bytes: maximum size of the key frames (or memories) with their training state.
        key_frames_on_device: whether key frames stay on the device instead of in host memory.
        chunk_clips: maximum number of synthetic clips to rebuild at a time.
        chunk_memory_bytes: estimated size of the activations of one chunk, forward and backward.
        real_batch_bytes: estimated size of the real clips embedded at a time, with their activations.
        pinned_bytes: size of the host memory for two steps of real clips while they are streamed to a GPU.
        disk: disk space that the run needs at `out`, including checkpoints.
        disk_free_bytes: free space on that disk.
        device_memory_bytes: device memory that the run may use; None on the CPU if `max_memory` is not set.
    """

    config: CondenseConfig
    real_clips: TrainingClips
    settings: dict[str, Any]
    preset: str
    notes: tuple[str, ...]
    device: str
    num_classes: int
    num_real_clips: int
    num_clips: int
    num_frames: int
    frame_shape: tuple[int, int, int]
    phases: tuple[tuple[str, int, int], ...]
    native_bytes: int | None
    soft_label_bytes: int | None
    first_bytes: int
    most_bytes: int
    real_bytes: int
    real_on_device: bool
    key_frame_memory_bytes: int
    key_frames_on_device: bool
    chunk_clips: int
    chunk_memory_bytes: int
    real_batch_bytes: int
    pinned_bytes: int
    disk: DiskNeed
    disk_free_bytes: int
    device_memory_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as a JSON object."""
        return {name: each for name, each in asdict(self).items() if name not in ("config", "real_clips")}

    def check_disk(self) -> None:
        """Raises DiskFullError if the initial key frames and their checkpoints do not fit on the disk."""
        check_disk(self.config.out, self.disk)


def plan_run(config: CondenseConfig, videos: VideoDataset | None = None) -> Plan:
    """Checks the settings of a run and computes what it needs.

    Args:
        config: the settings; those that are None are taken from the preset.
        videos: the real clips that the run will use, without held-out clips; if None, the clips that the
            settings select are counted without decoding any.

    Raises:
        OutputExistsError, OutputNotWritableError: see `check_place`.
        DatasetNotFoundError, EmptyClassError: the dataset does not exist, or a class has no clips.
        SettingsError: settings are invalid, contradict one another, or do not work with these clips.
    """
    config = config.resolved()
    check_place(config)
    clips = count_training_clips(config) if videos is None else TrainingClips.of(videos)
    device = resolve_device(config.device)
    with limited_memory(device, config.max_memory_bytes):
        return _plan(config, clips, device)


def check_place(config: CondenseConfig) -> None:
    """Checks that the store can be written to `out`.

    Raises:
        OutputExistsError: `out` exists and `overwrite` is not set.
        OutputNotWritableError: `out` cannot be written.
        SettingsError: no container has this suffix, or the checkpoint of an unfinished run would be lost.
    """
    check_output(config.out, overwrite=config.overwrite)
    check_snapshots(config)
    found = checkpoints_of(config.out)
    if not found:
        return
    path = found[0]
    if not config.iterates and not config.overwrite:
        raise SettingsError(
            f"there is a checkpoint of an unfinished run at {path}, and method {config.method} cannot "
            "continue it; choose a different --out, or add --overwrite to discard it"
        )
    if not (config.resume or config.overwrite):
        raise SettingsError(
            f"there is a checkpoint of an unfinished run at {path}; add --resume to continue it, "
            "or --overwrite to start again"
        )


def _check_clips(config: CondenseConfig, clips: TrainingClips, num_clips: int) -> None:
    method = config.record
    if method.needs_real_clips or config.init not in (None, "noise"):
        otherwise = "" if method.needs_real_clips else ", or --init noise"
        check_real_clips(clips.per_class, config.vpc, otherwise)
    if config.soft_labels:
        check_convnet3d(len(clips.per_class), clips.num_frames, clips.frame_shape[1])
    method.check_clips(config, num_clips, clips.num_frames, clips.frame_shape)


def _plan(config: CondenseConfig, clips: TrainingClips, device: torch.device) -> Plan:
    per_class, num_frames, frame_shape = clips
    iterates, method = config.iterates, config.record
    num_clips = sum(map(config.clips_of, per_class.values()))
    small = _small_note(config, frame_shape[1])
    _check_clips(config, clips, num_clips)
    first_keys, most_keys = method.key_frames(config, num_frames)
    frame_values = int(np.prod(frame_shape))
    stored_bytes = num_clips * frame_size_bytes(frame_shape, config.stored_dtype)
    real_bytes = sum(per_class.values()) * num_frames * frame_values
    grouped = iterates and method.native_bytes is None
    together = clips_together(len(per_class), config.per_class) if grouped else num_clips
    chunk = min(num_clips, together, chunk_clips(device, num_frames, frame_shape))
    resident = device.type == "cuda" and real_clips_fit(real_bytes, device)
    native = None
    store_bytes = stored_bytes * first_keys, stored_bytes * most_keys
    # Values and momentum of every key frame.
    state_bytes = [2 * 4 * num_clips * keys * frame_values * iterates for keys in (first_keys, most_keys)]
    training_bytes = state_bytes[1]
    if method.native_bytes is not None:  # memories, their gradients and momentum are always on the device
        native = method.native_bytes(len(per_class), config.per_class, num_frames, frame_shape)
        training_bytes = 3 * native
        store_bytes = store_bytes[0] + native, store_bytes[1] + native
        state_bytes = [2 * native, 2 * native]
    budget = config.budget_bytes or sys.maxsize  # an upper bound, because the budget also covers the index
    store_bytes = min(store_bytes[0], budget), min(store_bytes[1], budget)
    key_frame_bytes = min(stored_bytes * first_keys, budget), min(stored_bytes * most_keys, budget)
    return Plan(
        config=config,
        real_clips=clips,
        settings=config.provenance(),
        preset=config.preset_origin or "none needed",
        notes=config.notes() + small,
        device=str(device),
        num_classes=len(per_class),
        num_real_clips=sum(per_class.values()),
        num_clips=num_clips,
        num_frames=num_frames,
        frame_shape=frame_shape,
        phases=() if method.phases is None else method.phases(config),
        native_bytes=native,
        soft_label_bytes=2 * num_clips * len(per_class) if config.soft_labels else None,
        disk=DiskNeed.of(config, store_bytes, (state_bytes[0], state_bytes[1])),
        disk_free_bytes=free_bytes(config.out),
        first_bytes=key_frame_bytes[0],
        most_bytes=key_frame_bytes[1],
        real_bytes=real_bytes,
        real_on_device=resident,
        key_frame_memory_bytes=training_bytes,
        key_frames_on_device=native is not None
        or key_frames_device(num_clips, num_frames * frame_values, device) == device,
        chunk_clips=chunk,
        chunk_memory_bytes=chunk * clip_activation_bytes(num_frames, frame_shape) if iterates else 0,
        **_real_batch(config, clips, device, resident),
        device_memory_bytes=total_memory_bytes(device),
    )


def _real_batch(
    config: CondenseConfig, clips: TrainingClips, device: torch.device, resident: bool
) -> dict[str, int]:
    """Returns the number of bytes of real clips embedded at a time, and of those streamed to a GPU."""
    if not config.iterates or config.batch_real is None:  # a user-defined method may have steps of its own
        return {"real_batch_bytes": 0, "pinned_bytes": 0}
    per_class, shape = clips.per_class, (clips.num_frames, clips.frame_shape)
    drawn = sum(min(count, config.batch_real) for count in per_class.values())
    at_a_time = real_clips_at_a_time(device, *shape, config.batch_real)
    streamed = 2 * drawn * clips.num_frames * int(np.prod(clips.frame_shape))
    waits = device.type == "cuda" and not resident
    batch_bytes = min(drawn, at_a_time) * clip_forward_bytes(*shape)
    return {"real_batch_bytes": batch_bytes, "pinned_bytes": streamed if waits else 0}


def _small_note(config: CondenseConfig, size: int) -> tuple[str, ...]:
    """Returns a note if frames are too small for ConvNet3D; raises SettingsError if the method uses it."""
    if size >= SMALLEST_SIZE:
        return ()
    if config.embeds:
        raise SettingsError(
            f"method {config.method} embeds clips with ConvNet3D, which needs frames of at least "
            f"{SMALLEST_SIZE} pixels, got --size {size}; use a larger --size, or --method random"
        )
    return (f"--size {size}: ConvNet3D cannot be trained on frames below {SMALLEST_SIZE} pixels",)
