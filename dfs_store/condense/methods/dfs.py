"""DFS: sets up the loop, and hands over the trained clips."""

from collections.abc import Callable, Iterator

import torch

from dfs_store.condense.checkpoint import (
    State,
    checkpoint_path,
    joined_states,
    key_frame_state,
    restore_key_frames,
)
from dfs_store.condense.clips_at_a_time import ClipsAtATime
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.device import chunk_clips, real_clips_at_a_time, resolve_device
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.initialise import Group, clip_groups, initial_key_frames
from dfs_store.condense.loop import dfs_loop
from dfs_store.condense.methods._clip import Condensed, CondensedClip
from dfs_store.condense.ranks import Ranks
from dfs_store.condense.real_clips import RealClips
from dfs_store.condense.real_starts import real_starts, sources_of
from dfs_store.condense.self_check import KernelCheck, check_kernels
from dfs_store.condense.steps import decisive_settings, resumed, run_steps
from dfs_store.networks import ConvNet3D, fast_order
from dfs_store.networks.out_of_memory import out_of_memory_named
from dfs_store.videos import VideoDataset

__all__ = ["checked_network", "clips_at_a_time", "dfs", "frozen_network", "trained", "trained_clips"]


def dfs(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Trains key frames with Eq. 8, inserts where motion is not linear, then returns the clips.

    Raises: see `trained`.
    """
    return trained(config, videos, tell, config.notes())


def trained(
    config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None], notes: tuple[str, ...]
) -> Condensed:
    """Sets up the loop, runs or resumes it, and returns the clips.

    An exception that `tell` raises between two steps (Ctrl-C, say) leaves a checkpoint behind.

    Raises:
        DivergedError: the loss is no longer finite.
        OutOfMemoryError: the device is too small.
        CheckpointError: the checkpoint to resume is damaged or of other settings.
        SettingsError: settings that the clips do not allow.
    """
    device, ranks = resolve_device(config.device), Ranks.current()
    parts = clip_groups(config, videos, device)
    mine = ranks.share([sum(map(len, part)) for part in parts])
    starts = real_starts(config, videos, device)
    groups = initial_key_frames(config, videos, device, starts, parts[mine.start : mine.stop])
    first_clip, last_clip = parts[mine.start][0][0], parts[mine.stop - 1][-1][-1]
    num_clips = len(videos.classes) * config.vpc
    decisive = decisive_settings(config, videos)
    first_step, state = ranks.from_first(lambda: resumed(config, decisive))
    if state is not None:
        restore_key_frames(checkpoint_path(config.out), state, groups, first_clip, num_clips)
    network, kernels = checked_network(config, videos, device)
    started = RunStarted(
        first_step, config.schedule.iterations, num_clips, str(device), notes + kernels.notes
    )
    tell(started)
    at_a_time = clips_at_a_time(config, videos, device)
    labels = range(first_clip // config.vpc, last_clip // config.vpc + 1)

    def state_of_all() -> State | None:
        states = ranks.gather(key_frame_state(groups))
        return None if states is None else joined_states(states)

    with RealClips(videos, config.batch_real or 1, config.seed, device, labels) as real:
        steps = dfs_loop(
            kernels.config(config), real, network, groups, first_step, ranks, mine.start, at_a_time
        )
        run_steps(steps, config, decisive, tell, state_of_all, ranks)
    return Condensed(
        ranks.in_order(trained_clips(groups)),
        sources_of(videos, starts),
        kernels.provenance() | at_a_time.provenance(),
    )


def clips_at_a_time(config: CondenseConfig, videos: VideoDataset, device: torch.device) -> ClipsAtATime:
    """Returns how many clips are embedded at a time, to begin with."""
    shape = videos.num_frames, videos.frame_shape
    return ClipsAtATime(
        real_clips_at_a_time(device, *shape, config.batch_real or 1), chunk_clips(device, *shape)
    )


def checked_network(
    config: CondenseConfig, videos: VideoDataset, device: torch.device
) -> tuple[ConvNet3D, KernelCheck]:
    """Returns the network that embeds clips, and in which way it does so rightly on this device.

    Raises:
        SettingsError: it does in none.
    """
    network = frozen_network(videos, device)
    with out_of_memory_named("use a smaller --size or --frames, or --device cpu"):
        kernels = check_kernels(network, config.precision, videos.num_frames, videos.frame_shape[1])
    return network, kernels


def frozen_network(videos: VideoDataset, device: torch.device) -> ConvNet3D:
    """Returns the network that embeds clips in the loop, on `device`; the loop draws its weights."""
    network = ConvNet3D(len(videos.classes), videos.num_frames, videos.frame_shape[1])
    # Weights frozen: the gradient goes to the clips alone.
    network.requires_grad_(False).eval()
    fast_order(network.to(device))
    return network


def trained_clips(groups: list[Group]) -> Iterator[CondensedClip]:
    """Yields the clips as they are now, in the order of the store."""
    for chunk in (chunk for group in groups for chunk in group):
        for clip, label in enumerate(chunk.labels.tolist()):
            yield CondensedClip(
                chunk.clip_frames(clip).cpu().numpy(),
                chunk.clip_positions(clip),
                label,
                chunk.inserted_at[chunk.offsets[clip] : chunk.offsets[clip + 1]],
            )
