"""DFS: sets up the loop, keeps checkpoints, and hands over the trained clips."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from dfs_store.condense.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.device import resolve_device
from dfs_store.condense.events import CheckpointSaved, Event, RunStarted, StepDone
from dfs_store.condense.initialise import Group, chosen_real_clips, initial_key_frames
from dfs_store.condense.loop import dfs_loop
from dfs_store.condense.methods._clip import Condensed, CondensedClip
from dfs_store.condense.real_clips import RealClips
from dfs_store.errors import OutOfMemoryError
from dfs_store.networks import ConvNet3D, channels_last
from dfs_store.videos import VideoDataset

__all__ = ["dfs", "frozen_network", "trained", "trained_clips"]

SECONDS_BETWEEN_CHECKPOINTS = 300.0


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
    device = resolve_device(config.device)
    groups = initial_key_frames(config, videos, device)
    path, settings = checkpoint_path(config.out), config.provenance()
    resumed = config.resume and path.exists()
    first_step = load_checkpoint(path, settings, groups) if resumed else 0
    num_clips = len(videos.classes) * config.vpc
    tell(RunStarted(first_step, config.schedule.iterations, num_clips, str(device), notes))

    with _reproducible_float32(), RealClips(videos, config.batch_real or 1, config.seed, device) as real:
        network = frozen_network(videos, device)
        try:
            steps = dfs_loop(config, real, network, groups, first_step)
            _follow(steps, config, path, groups, tell)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"{device} is out of memory: {str(error).splitlines()[0]}; use a smaller --batch-real, "
                "fewer --classes or --device cpu, and --resume to go on from the last checkpoint"
            ) from error
    sources = None
    if config.init == "real":
        started_from = chosen_real_clips(videos, config.vpc, config.seed)
        sources = [videos.source(int(clip)) for clips in started_from for clip in clips]
    return Condensed(trained_clips(groups), sources)


def frozen_network(videos: VideoDataset, device: torch.device) -> ConvNet3D:
    """Returns the network that embeds clips in the loop, on `device`; the loop draws its weights."""
    network = ConvNet3D(len(videos.classes), videos.num_frames, videos.frame_shape[1])
    # Weights frozen: the gradient goes to the clips alone. Channels last is what convolutions run fastest on.
    network.requires_grad_(False).eval()
    channels_last(network.to(device))
    return network


def _follow(
    steps: Iterator[StepDone],
    config: CondenseConfig,
    path: Path,
    groups: list[Group],
    tell: Callable[[Event], None],
) -> None:
    """Runs the steps, telling of each one and saving the state now and then."""
    saved_seconds = time.monotonic()
    for event in steps:
        next_step = event.step + 1
        try:
            tell(event)
        except BaseException:
            # The step is finished and the state is whole: keep it, whatever ends the run.
            save_checkpoint(path, next_step, config.provenance(), groups)
            raise
        if config.checkpoint_every is not None:
            due = next_step % config.checkpoint_every == 0
        else:
            due = time.monotonic() - saved_seconds >= SECONDS_BETWEEN_CHECKPOINTS
        # Always after the last step: if the store then cannot be written, the training is not lost.
        if due or next_step == event.iterations:
            save_checkpoint(path, next_step, config.provenance(), groups)
            saved_seconds = time.monotonic()
            tell(CheckpointSaved(str(path), next_step))


@contextmanager
def _reproducible_float32() -> Iterator[None]:
    """Makes convolutions on CUDA repeat exactly and in full float32.

    Not torch's deterministic algorithms as a whole: the backward pass of MaxPool3d on CUDA then raises,
    though with windows that do not overlap, as here, it is deterministic.
    """
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


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
