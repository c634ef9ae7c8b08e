"""Soft labels: the logits of a network that was trained on the real clips, for every clip of a store."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dfs_store.condense.engine.extractor import EXTRACTOR_TRAINING, extractor_network
from dfs_store.condense.events import Event
from dfs_store.format import KeyFrameStore
from dfs_store.loaders.precision import full_float32
from dfs_store.networks import ConvNet3D
from dfs_store.networks.training import standardised
from dfs_store.videos import VideoDataset

__all__ = ["soft_labels_of", "teacher_of"]


def teacher_of(
    videos: VideoDataset, device: torch.device, tell: Callable[[Event], None]
) -> tuple[ConvNet3D, dict[str, Any]]:
    """Returns the teacher: ConvNet3D trained on the real clips, once, and kept in the cache.

    It is the network whose features the coresets choose by. It sees the clips of `videos` alone, so never one
    that is held out.

    Args:
        videos: the real training clips, without those held out.
        device: where it is trained and asked.
        tell: gets `ExtractorTrained` after every pass of its training; may raise to stop.

    Returns:
        The network, frozen, and what the provenance says of it.

    Raises:
        SettingsError: clips are too small for ConvNet3D.
        DivergedError, DiskFullError, OutputNotWritableError: as `extractor_network`.
    """
    network, origin = extractor_network("trained", videos, 0, device, tell)
    about = {
        "network": "convnet3d",
        "num_real_clips": len(videos),
        "training": EXTRACTOR_TRAINING.to_json(),
        "sha256": origin["sha256"],
    }
    return network, about


@full_float32()
def soft_labels_of(store: KeyFrameStore, network: ConvNet3D) -> npt.NDArray[np.float32]:
    """Returns the logits of a network for every clip as the store rebuilds it, (N, classes) float32.

    Args:
        store: the clips.
        network: the teacher; each clip is standardised by itself, as in its training.
    """
    device = next(network.parameters()).device
    found = []
    for number in range(len(store)):
        clip = torch.from_numpy(store.clip(number)).to(device)
        with torch.inference_mode():
            found.append(network(standardised(clip[None], "clip"))[0].float().cpu().numpy())
    return np.stack(found)
