"""How long an evaluation will take: a few batches are trained and tested, and nothing is written."""

from collections.abc import Sequence

import numpy as np
import torch

from dfs_store.condense.forecast import Forecast
from dfs_store.evaluate.run import EvaluationSettings, TrainingClips
from dfs_store.evaluate.testing import answers_on, num_test_passes
from dfs_store.networks import build_network, fast_order
from dfs_store.networks.timing import seconds_per_pass, synchronised_clock
from dfs_store.videos import VideoDataset
from dfs_store.videos.rehearsal import Rehearsal

__all__ = ["forecast_evaluation"]

_TESTED = 64  # clips of a test batch
_WARMED_UP = 8


def forecast_evaluation(
    sources: Sequence[TrainingClips], test: Rehearsal, settings: EvaluationSettings, decoding: float = 0.0
) -> Forecast:
    """Returns about how long `evaluate` will take.

    A training step to warm up and two that are timed are taken for each kind of labels, and one batch is
    tested, by a network that is not used afterwards.

    Args:
        sources: the clips to train on, once for each kind of labels.
        test: the clips to test on, or as many that look alike.
        settings: of the evaluation.
        decoding: seconds that preparing the clips to train on takes.
    """
    training, videos = settings.training(0), test.videos
    shape = (len(videos.classes), videos.num_frames, videos.frame_shape[1])
    device = torch.device(settings.device)
    seconds = 0.0
    for source in sources:
        network = fast_order(build_network(settings.model, *shape, seed=training.seed).to(device))
        seconds += settings.runs * training.passes * seconds_per_pass(network, source, training)
    tests = settings.runs * len(sources) * num_test_passes(settings.protocol)
    parts = {"decoding": decoding + (test.decoding_seconds or 0.0), "training": seconds}
    parts["testing"] = tests * len(videos) * _testing_seconds(network, videos)
    rough = parts["decoding"] > 0
    return Forecast(parts if rough else {k: v for k, v in parts.items() if k != "decoding"}, rough)


def _testing_seconds(network: torch.nn.Module, videos: VideoDataset) -> float:
    """Returns the seconds that testing one clip takes."""
    device = next(network.parameters()).device
    answers_on(network, videos.subset(np.arange(min(_WARMED_UP, len(videos)))), "strict", seed=0)
    batch = videos.subset(np.arange(min(_TESTED, len(videos))))
    started = synchronised_clock(device)
    answers_on(network, batch, "strict", seed=0)
    return (synchronised_clock(device) - started) / len(batch)
