"""What a run will need, worked out before anything is decoded or computed (`dfs condense --dry-run`)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.initialise import key_frames_device
from dfs_store.condense.engine.real_clips import real_clips_fit
from dfs_store.condense.engine.real_starts import check_real_clips
from dfs_store.condense.runtime.device import (
    chunk_clips,
    clip_activation_bytes,
    limited_memory,
    resolve_device,
    total_memory_bytes,
)
from dfs_store.condense.runtime.disk import DiskNeed, free_bytes
from dfs_store.format.spec import frame_size_bytes

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """The plan of a run.

    Attributes:
        settings: the resolved settings.
        preset: where the settings that were not given come from.
        notes: settings without effect, and the like.
        device: where it computes.
        num_classes: classes of the dataset.
        num_real_clips: real clips of the training split.
        num_clips: synthetic clips, N.
        num_frames: T.
        frame_shape: (C, H, W).
        phases: name and half-open range of steps of each phase; empty where nothing iterates.
        native_bytes: of the native arrays in the store (static-dynamic's memories), else None.
        first_bytes, most_bytes: key frames in the store at the start and if every frame became one.
        real_bytes: real clips as uint8, in the cache and (where they fit) on the device.
        real_on_device: whether they fit; else they are streamed.
        key_frame_memory_bytes: key frames (or memories) and what training keeps of them, at the most.
        key_frames_on_device: whether they stay on the device; else in host memory.
        chunk_clips: synthetic clips that are rendered at a time.
        chunk_memory_bytes: activations of one chunk, forward and backward, about.
        disk: bytes of the disk of `out` that the run takes, checkpoints included.
        disk_free_bytes: that are free on it.
        device_memory_bytes: that the run may take of the device; None for the CPU without --max-memory.
    """

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
    first_bytes: int
    most_bytes: int
    real_bytes: int
    real_on_device: bool
    key_frame_memory_bytes: int
    key_frames_on_device: bool
    chunk_clips: int
    chunk_memory_bytes: int
    disk: DiskNeed
    disk_free_bytes: int
    device_memory_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as a JSON object."""
        return asdict(self)


def forecast(
    config: CondenseConfig,
    clips_per_class: Mapping[str, int],
    num_frames: int,
    frame_shape: tuple[int, int, int],
) -> Forecast:
    """Works out the plan of a run.

    Args:
        config: resolved settings.
        clips_per_class: number of real training clips by class name, without those that are held out.
        num_frames: T.
        frame_shape: (C, H, W).

    Raises:
        SettingsError: settings that these clips do not allow.
    """
    device = resolve_device(config.device)
    with limited_memory(device, config.max_memory_bytes):
        return _forecast(config, clips_per_class, num_frames, frame_shape, device)


def _forecast(
    config: CondenseConfig,
    clips_per_class: Mapping[str, int],
    num_frames: int,
    frame_shape: tuple[int, int, int],
    device: torch.device,
) -> Forecast:
    iterates, method = config.iterates, config.record
    if method.needs_real_clips or config.init not in (None, "noise"):
        check_real_clips(clips_per_class, config.vpc)
    num_clips = len(clips_per_class) * config.vpc
    method.check_clips(config, num_clips, num_frames, frame_shape)
    first_keys, most_keys = method.key_frames(config, num_frames)
    frame_values = int(np.prod(frame_shape))
    stored_bytes = num_clips * frame_size_bytes(frame_shape, config.stored_dtype)
    real_bytes = sum(clips_per_class.values()) * num_frames * frame_values
    chunk = min(num_clips, chunk_clips(device, num_frames, frame_shape))
    native = None
    store_bytes = stored_bytes * first_keys, stored_bytes * most_keys
    # Values and momentum of every key frame.
    state_bytes = [2 * 4 * num_clips * keys * frame_values * iterates for keys in (first_keys, most_keys)]
    training_bytes = state_bytes[1]
    if method.native_bytes is not None:  # memories with gradient and momentum, always on the device
        native = method.native_bytes(len(clips_per_class), config.vpc, num_frames, frame_shape)
        training_bytes = 3 * native
        store_bytes = store_bytes[0] + native, store_bytes[1] + native
        state_bytes = [2 * native, 2 * native]
    return Forecast(
        settings=config.provenance(),
        preset=config.preset_origin or "none needed",
        notes=config.notes(),
        device=str(device),
        num_classes=len(clips_per_class),
        num_real_clips=sum(clips_per_class.values()),
        num_clips=num_clips,
        num_frames=num_frames,
        frame_shape=frame_shape,
        phases=() if method.phases is None else method.phases(config),
        native_bytes=native,
        disk=DiskNeed.of(config, store_bytes, (state_bytes[0], state_bytes[1])),
        disk_free_bytes=free_bytes(config.out),
        first_bytes=stored_bytes * first_keys,
        most_bytes=stored_bytes * most_keys,
        real_bytes=real_bytes,
        real_on_device=device.type == "cuda" and real_clips_fit(real_bytes, device),
        key_frame_memory_bytes=training_bytes,
        key_frames_on_device=native is not None
        or key_frames_device(num_clips, num_frames * frame_values, device) == device,
        chunk_clips=chunk,
        chunk_memory_bytes=chunk * clip_activation_bytes(num_frames, frame_shape) if iterates else 0,
        device_memory_bytes=total_memory_bytes(device),
    )
