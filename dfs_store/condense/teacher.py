"""Soft labels: logits for every clip of a store, from a network trained on the real clips."""

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
    """Returns the teacher, a ConvNet3D trained once on the real clips and then cached.

    The coresets use the same network for their features.

    Args:
        videos: the real training clips, without held-out clips.
        device: device on which the network is trained and evaluated.
        tell: called with `ExtractorTrained` after every training pass; may raise an exception to stop.

    Returns:
        The frozen network, and its description for the provenance.

    Raises:
        SettingsError: the clips are too small for ConvNet3D.
        DivergedError, DiskFullError, OutputNotWritableError: see `extractor_network`.
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
    """Returns a network's logits, (N, classes) float32, for every rebuilt clip in a store.

    Args:
        store: the clips.
        network: the teacher. Each clip is standardised individually, as during its training.
    """
    device = next(network.parameters()).device
    found = []
    for number in range(len(store)):
        clip = torch.from_numpy(store.clip(number)).to(device)
        with torch.inference_mode():
            found.append(network(standardised(clip[None], "clip"))[0].float().cpu().numpy())
    return np.stack(found)
