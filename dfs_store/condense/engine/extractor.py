"""The feature extractor of the coresets: a ConvNet3D that is trained once on all real clips and cached.

Clips are standardised individually, both for training and for features, so that a clip's features depend on
that clip alone.
"""

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dfs_store.condense.engine.randomness import Purpose, torch_generator
from dfs_store.condense.events import Event, ExtractorTrained
from dfs_store.errors import SettingsError
from dfs_store.format.io.durable import write_durably
from dfs_store.loaders.precision import full_float32
from dfs_store.loaders.transfers import on_device
from dfs_store.networks import ConvNet3D, TrainingSettings, fast_order, train
from dfs_store.networks.training import standardised
from dfs_store.videos import VideoDataset
from dfs_store.videos.cache.entries import disk_errors, extractor_path
from dfs_store.videos.epochs import VideoClips
from dfs_store.videos.tensors import normalised_clips

__all__ = ["EXTRACTOR_TRAINING", "extractor_is_kept", "extractor_network", "features_of"]

# 16 passes, 9 at the full learning rate and 7 at a tenth of it, suffice for ConvNet3D to fit its clips (on
# moving-shapes, it classifies every test clip correctly).
EXTRACTOR_TRAINING = TrainingSettings(epochs=15, batch_size=32, standardisation="clip", seed=0)
_FEATURE_BATCH = 32


@full_float32()
def extractor_network(
    choice: str, videos: VideoDataset, seed: int, device: torch.device, tell: Callable[[Event], None]
) -> tuple[ConvNet3D, dict[str, str]]:
    """Returns the extractor: trained (or read from the cache), random, or read from a file.

    Args:
        choice: "trained", "random", or the path of a ConvNet3D `state_dict` written by `torch.save`.
        videos: the real clips.
        seed: seed of a random extractor; a trained one does not depend on it.
        device: device on which features are computed.
        tell: called with `ExtractorTrained` after every training pass; may raise an exception to stop.

    Returns:
        The frozen network and, for the provenance, its kind and the SHA-256 of its parameters.

    Raises:
        SettingsError: the file does not exist, or does not contain a ConvNet3D for these clips.
        DivergedError: the training loss is no longer finite.
        DiskFullError, OutputNotWritableError: the trained network cannot be written to the cache.
    """
    network = ConvNet3D(len(videos.classes), videos.num_frames, videos.frame_shape[1])
    origin = {"kind": choice}
    if choice == "random":
        network.reset(torch_generator(seed, Purpose.EXTRACTOR))
    elif choice == "trained":
        _train_or_find(network, videos, device, tell)
    else:
        origin = {"kind": "file", "file": str(Path(choice).absolute())}
        try:
            _load(network, Path(choice))
        except OSError as error:
            raise SettingsError(
                f"--extractor must be trained, random or a file, but {choice!r} cannot be read: {error}"
            ) from error
    fast_order(network.requires_grad_(False).eval().to(device))
    return network, {**origin, "sha256": _digest(network)}


def extractor_is_kept(videos: VideoDataset) -> bool:
    """Returns whether the cache contains a network trained on these clips."""
    return extractor_path(_request(videos)).exists()


@full_float32()
def features_of(network: ConvNet3D, videos: VideoDataset) -> npt.NDArray[np.float64]:
    """Returns the features of all real clips, (N, F) float64, computed without flipping."""
    device = next(network.parameters()).device
    found = []
    for start in range(0, len(videos), _FEATURE_BATCH):
        pixels = on_device(np.array(videos.pixels[start : start + _FEATURE_BATCH, 0]), device)
        with torch.inference_mode():
            clips = standardised(normalised_clips(pixels, videos.normalization), "clip")
            found.append(network.embed(clips).double().cpu().numpy())
    return np.concatenate(found)


def _train_or_find(
    network: ConvNet3D, videos: VideoDataset, device: torch.device, tell: Callable[[Event], None]
) -> None:
    path = extractor_path(_request(videos))
    if path.exists():
        _load(network, path)
        return
    settings = EXTRACTOR_TRAINING
    with disk_errors(path.parent):  # checked first, as an unwritable cache would waste the training
        path.parent.mkdir(parents=True, exist_ok=True)
    network.reset(torch.Generator().manual_seed(settings.seed))
    fast_order(network.to(device))
    tell(ExtractorTrained(0, settings.passes, None))  # sent first, because a pass may take minutes
    train(
        network,
        VideoClips(videos, device),
        settings,
        on_pass=lambda number, loss: tell(ExtractorTrained(number + 1, settings.passes, loss)),
    )
    buffer = io.BytesIO()
    torch.save({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, buffer)
    with disk_errors(path.parent):
        write_durably(path, buffer.getvalue())


def _request(videos: VideoDataset) -> dict[str, Any]:
    return {
        "network": "convnet3d",
        "training": EXTRACTOR_TRAINING.to_json(),
        "dataset": videos.name,
        "split": videos.split,
        "part": videos.part,
        "sampling": asdict(videos.sampling),
        "seed": videos.seed,
        "classes": videos.classes,
        "labels": hashlib.sha256(videos.labels.tobytes()).hexdigest(),
        "cache_entry": videos.cache_path.name if videos.cache_path else None,
    }


def _load(network: ConvNet3D, path: str | os.PathLike[str]) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError, EOFError, KeyError, UnpicklingError) as error:
        raise SettingsError(
            f"{path} does not contain the state_dict of a ConvNet3D for these clips and classes "
            f"({type(error).__name__}); use --extractor trained, or delete the file if it is in the cache"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise SettingsError(f"{path} contains parameters that are not finite; use --extractor trained")


def _digest(network: ConvNet3D) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
