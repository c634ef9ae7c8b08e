"""Chooses the real clips that a method starts from or keeps, at random or by their features."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.extractor import extractor_network, features_of
from dfs_store.condense.engine.herd import herd
from dfs_store.condense.engine.randomness import Purpose, numpy_generator
from dfs_store.condense.settings import ClipsPerClass
from dfs_store.errors import SettingsError
from dfs_store.networks import ConvNet3D
from dfs_store.videos import VideoDataset

__all__ = [
    "Choose",
    "check_real_clips",
    "chosen_by_features",
    "chosen_real_clips",
    "clips_per_class",
    "real_starts",
    "sources_of",
]

# Maps the (n, F) float64 features of a class and a count to the numbers of the chosen clips, in order.
Choose = Callable[[npt.NDArray[np.float64], int], list[int]]


def clips_per_class(videos: VideoDataset) -> dict[str, int]:
    """Returns the number of real clips for each class name."""
    counts = np.bincount(videos.labels, minlength=len(videos.classes)).tolist()
    return dict(zip(videos.classes, counts, strict=True))


def check_real_clips(clips_per_class: Mapping[str, int], vpc: ClipsPerClass, otherwise: str = "") -> None:
    """Raises SettingsError unless every class has at least `vpc` real clips.

    Args:
        clips_per_class: number of real clips by class name.
        vpc: clips per class; "all" is valid for any number of real clips.
        otherwise: an alternative remedy to append to the message, for example ", or --init noise".
    """
    smallest = min(clips_per_class, key=lambda name: clips_per_class[name])
    if vpc != "all" and (most := clips_per_class[smallest]) < vpc:
        raise SettingsError(
            f"--vpc {vpc} needs {vpc} real clips of every class, but class {smallest!r} has only {most}; "
            f"use --vpc {most} or less{otherwise}"
        )


def chosen_real_clips(videos: VideoDataset, vpc: ClipsPerClass, seed: int) -> npt.NDArray[np.int64]:
    """Draws `vpc` real clips of every class, without replacement; "all" returns all clips in order.

    Returns:
        Clip numbers (N,), class by class.

    Raises:
        SettingsError: a class has fewer than `vpc` clips.
    """
    if vpc == "all":
        return np.concatenate(_clips_of_classes(videos))
    check_real_clips(clips_per_class(videos), vpc)
    return np.concatenate(
        [
            numpy_generator(seed, Purpose.INITIAL_CLIPS, label).choice(own, size=vpc, replace=False)
            for label, own in enumerate(_clips_of_classes(videos))
        ]
    )


def chosen_by_features(
    network: ConvNet3D, videos: VideoDataset, vpc: int, choose: Choose
) -> npt.NDArray[np.int64]:
    """Chooses `vpc` real clips of every class by their features; every class must have at least that many.

    Returns:
        Clip numbers (N,), class by class, in the order in which they were chosen.
    """
    features = features_of(network, videos)
    return np.concatenate([own[choose(features[own], vpc)] for own in _clips_of_classes(videos)])


def _clips_of_classes(videos: VideoDataset) -> list[npt.NDArray[np.int64]]:
    return [np.flatnonzero(videos.labels == label) for label in range(len(videos.classes))]


def real_starts(
    config: CondenseConfig, videos: VideoDataset, device: torch.device
) -> npt.NDArray[np.int64] | None:
    """Returns the numbers (N,) of the real clips from which the synthetic clips start, or None for noise.

    With `init` "herding" or "pack", herding chooses the clips by the features of an untrained network, like
    those used for matching. A few random clips may all show a figure from the same side, which training
    hardly changes, whereas herded clips jointly represent the class.

    Raises:
        SettingsError: a class has fewer real clips than `vpc`.
    """
    if config.init == "noise":
        return None
    if config.init == "real":
        return chosen_real_clips(videos, config.vpc, config.seed)
    check_real_clips(clips_per_class(videos), config.vpc)
    network, _ = extractor_network("random", videos, config.seed, device, lambda _: None)
    return chosen_by_features(network, videos, config.per_class, herd)


def sources_of(videos: VideoDataset, starts: npt.NDArray[np.int64] | None) -> list[dict[str, Any]] | None:
    """Returns the sources of the real clips in `starts` for the provenance; None for noise."""
    return None if starts is None else [videos.source(clip) for clip in starts.tolist()]
