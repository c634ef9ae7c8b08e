"""DFS: presets by dataset, and the setup of the training loop."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace

import torch

from dfs_store.condense.condensed import Condensed, CondensedClip
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.initialise import Group, clip_groups, even_positions, initial_key_frames
from dfs_store.condense.engine.insertion.budget import affordable_key_frames
from dfs_store.condense.engine.insertion.rule import InsertionRule
from dfs_store.condense.engine.loop import dfs_loop
from dfs_store.condense.engine.real_clips import RealClips
from dfs_store.condense.engine.real_starts import real_starts, sources_of
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.method import MATCHING_SETTINGS, Method
from dfs_store.condense.presets import Preset, row_at, short_run
from dfs_store.condense.runtime.checkpoint import (
    State,
    checkpoint_path,
    joined_states,
    key_frame_state,
    recorded_settings,
    restore_key_frames,
)
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.condense.runtime.device import chunk_clips, real_clips_at_a_time, resolve_device
from dfs_store.condense.runtime.ranks import ALONE, Ranks
from dfs_store.condense.runtime.self_check import KernelCheck, check_kernels
from dfs_store.condense.runtime.snapshots import Snapshots
from dfs_store.condense.runtime.steps import decisive_settings, resumed, run_steps
from dfs_store.condense.settings import flag_of
from dfs_store.errors import SettingsError
from dfs_store.names import counted
from dfs_store.networks import ConvNet3D, fast_order
from dfs_store.networks.out_of_memory import out_of_memory_named
from dfs_store.videos import VideoDataset

__all__ = [
    "METHOD",
    "checked_network",
    "clips_at_a_time",
    "frozen_network",
    "trained",
    "trained_clips",
]

# Learning rates of Table A by vpc.
_TABLE_A: Mapping[str, Mapping[int, Preset]] = {
    "miniucf": {1: Preset(1.0), 5: Preset(25.0), 10: Preset(50.0)},
    "hmdb51": {1: Preset(0.7), 5: Preset(25.0), 10: Preset(75.0)},
    "kinetics400": {1: Preset(1.0), 5: Preset(50.0, batch_real=128)},
    "ssv2": {1: Preset(3.0), 5: Preset(30.0, batch_real=128)},
}
# The paper has no row for other datasets; MiniUCF is the closest.
_FALLBACK = "miniucf"
# Our presets for the built-in datasets. moving-shapes diverges at an lr of 50 or more. stick-figures starts
# from the first and last frames of herded clips. Its lr at vpc 2 was chosen on held-out clips, and lr is
# proportional to vpc, because a clip's gradient scales as 1 / vpc. WebP images reach the same accuracy with a
# thirtieth of the bytes.
_OURS: Mapping[str, Mapping[int, Preset]] = {
    "moving-shapes": {1: Preset(8.0)},
    "stick-figures": {
        vpc: Preset(17.5 * vpc, init="herding", insertion=False, encoding="webp:10")
        for vpc in (1, 2, 3, 4, 5, 10)
    },
}
# Not used without insertion.
_INSERTION_SETTINGS = ("warmup", "cooldown", "insert_every", *(each.name for each in fields(InsertionRule)))


def trained(
    config: CondenseConfig,
    videos: VideoDataset,
    tell: Callable[[Event], None],
    notes: tuple[str, ...] | None = None,
) -> Condensed:
    """Trains key frames with Eq. 8, inserts key frames where motion is not linear, and returns the clips.

    If `tell` raises an exception between two steps (as on Ctrl-C), a checkpoint is saved.

    Args:
        config: resolved settings.
        videos: the real clips.
        tell: called with every event.
        notes: remarks for the user; by default, the notes on the settings.

    Raises:
        DivergedError: the loss is no longer finite, or a million times its initial value.
        OutOfMemoryError: the device runs out of memory.
        CheckpointError: the checkpoint to resume is damaged, or was made with different settings.
        SettingsError: the settings do not work with these clips.
    """
    device, ranks = resolve_device(config.device), Ranks.current()
    parts = clip_groups(config, videos, device)
    mine = ranks.share([sum(map(len, part)) for part in parts])
    starts = real_starts(config, videos, device)
    groups = initial_key_frames(config, videos, device, starts, parts[mine.start : mine.stop])
    first_clip, last_clip = parts[mine.start][0][0], parts[mine.stop - 1][-1][-1]
    num_clips = len(videos.classes) * config.per_class
    network, kernels = checked_network(config, videos, device, ranks)
    # Includes the precision in use, so that a resumed run computes as before or raises an error.
    decisive = decisive_settings(kernels.config(config), videos)
    first_step, state = ranks.from_first(lambda: resumed(config, decisive))
    if state is not None:
        restore_key_frames(checkpoint_path(config.out), state, groups, first_clip, num_clips)
    notes = (config.notes() if notes is None else notes) + kernels.notes
    tell(RunStarted(first_step, config.schedule.iterations, num_clips, str(device), notes))
    at_a_time = clips_at_a_time(config, videos, device)
    labels = range(first_clip // config.per_class, last_clip // config.per_class + 1)

    def state_of_all() -> State | None:
        states = ranks.gather(key_frame_state(groups))
        return None if states is None else joined_states(states)

    with RealClips(videos, config.matching.batch_real, config.seed, device, labels) as real:
        steps = dfs_loop(
            kernels.config(config), real, network, groups, first_step, ranks, mine.start, at_a_time
        )
        if config.snapshots is not None:
            steps = Snapshots(config, videos).during(steps, first_step, state_of_all, ranks)
        run_steps(steps, config, decisive, tell, state_of_all, ranks)
    return Condensed(
        ranks.in_order(trained_clips(groups)),
        sources_of(videos, starts),
        kernels.provenance() | at_a_time.provenance(),
    )


def clips_at_a_time(config: CondenseConfig, videos: VideoDataset, device: torch.device) -> ClipsAtATime:
    """Returns the initial limits on how many clips to embed at a time."""
    shape = videos.num_frames, videos.frame_shape
    return ClipsAtATime(
        real_clips_at_a_time(device, *shape, config.matching.batch_real), chunk_clips(device, *shape)
    )


def checked_network(
    config: CondenseConfig, videos: VideoDataset, device: torch.device, ranks: Ranks = ALONE
) -> tuple[ConvNet3D, KernelCheck]:
    """Returns the network that embeds clips, and the numeric path that passes the check on this device.

    With precision "auto", the first rank chooses for all ranks; a resumed run keeps the recorded choice.

    Raises:
        SettingsError: no numeric path passes the check.
    """
    network = frozen_network(videos, device)
    shape = videos.num_frames, videos.frame_shape[1]

    def choice() -> KernelCheck:
        saved = recorded_settings(config.out) if config.resume else None
        kept = None if saved is None else saved.get("precision")
        return check_kernels(network, kept or "auto", *shape)

    with out_of_memory_named("use a smaller --size or --frames, or --device cpu"):
        if config.precision != "auto":
            return network, check_kernels(network, config.precision, *shape)
        chosen = ranks.from_first(choice)
        kernels = chosen if ranks.is_first else check_kernels(network, chosen.precision, *shape)
        if kernels.precision != chosen.precision:
            raise SettingsError(
                f"the first process chose {chosen.precision} for --precision auto, but this process cannot "
                f"use it: {'; '.join(kernels.notes)}; use --precision float32"
            )
    return network, kernels


def frozen_network(videos: VideoDataset, device: torch.device) -> ConvNet3D:
    """Returns the network that embeds clips. The training loop reinitialises it at every step."""
    network = ConvNet3D(len(videos.classes), videos.num_frames, videos.frame_shape[1])
    # Frozen, because only the clips need a gradient.
    network.requires_grad_(False).eval()
    fast_order(network.to(device))
    return network


def trained_clips(groups: list[Group]) -> Iterator[CondensedClip]:
    """Yields the clips in their current state, in the order of the store."""
    for chunk in (chunk for group in groups for chunk in group):
        for clip, label in enumerate(chunk.labels.tolist()):
            yield CondensedClip(
                chunk.clip_frames(clip).cpu().numpy(),
                chunk.clip_positions(clip),
                label,
                chunk.inserted_at[chunk.offsets[clip] : chunk.offsets[clip + 1]],
            )


def _preset(dataset: str, vpc: int) -> Preset:
    if dataset in _OURS:
        return replace(row_at(_OURS[dataset], vpc), origin=f"ours for {dataset}", **short_run(dataset))
    named = dataset if dataset in _TABLE_A else _FALLBACK
    rows = _TABLE_A[named]
    return replace(row_at(rows, vpc), origin=f"Table A, {named} at vpc {max(v for v in rows if v <= vpc)}")


def _notes(config: CondenseConfig) -> list[str]:
    unused = [name for name in _INSERTION_SETTINGS if config.insertion is False and config.differs(name)]
    flags = ", ".join(map(flag_of, unused))
    return (
        [f"ignoring {flags}, because insertion is off; turn on insertion with --insertion"] if unused else []
    )


def _check_clips(
    config: CondenseConfig, num_clips: int, num_frames: int, frame_shape: tuple[int, int, int]
) -> None:
    if config.budget is None:
        return
    if config.frame_encoding is not None:
        raise SettingsError(
            f"--budget cannot be combined with --encoding {config.encoding} for method dfs, because the size "
            "of image files is known only after training; leave out one of them, or use --encoding none"
        )
    initial = num_clips * even_positions(config.initial_key_frames, num_frames).size
    affordable = affordable_key_frames(config, num_clips, frame_shape)
    if affordable < initial:
        raise SettingsError(
            f"--budget {config.budget} ({config.budget_bytes:,} bytes) allows "
            f"{counted(affordable, 'key frame')} as {config.stored_dtype}, but the run starts "
            f"with {initial:,}; raise --budget, or lower --vpc or --initial-key-frames"
        )


def _key_frames(config: CondenseConfig, num_frames: int) -> tuple[int, int]:
    first = even_positions(config.initial_key_frames, num_frames).size
    # With "pack", a clip without motion starts from a single key frame.
    return 1 if config.init == "pack" else first, num_frames if config.insertion else first


METHOD = Method(
    run=trained,
    settings=(
        *MATCHING_SETTINGS,
        "initial_key_frames",
        "insertion",
        "budget",
        "snapshots",
        *_INSERTION_SETTINGS,
    ),
    preset=_preset,
    shares_classes=True,
    notes=_notes,
    check_clips=_check_clips,
    key_frames=_key_frames,
    phases=lambda config: config.schedule.phases,
)
