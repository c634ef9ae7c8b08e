"""Times a few batches to forecast the duration of an evaluation. Writes no files."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from dfs_store.condense.forecast import Forecast, Paces, measured
from dfs_store.evaluate.run import EvaluationSettings, TrainingBatches, labelled_as
from dfs_store.evaluate.testing import answers_on, num_test_passes
from dfs_store.networks import TrainingSettings, build_network, fast_order
from dfs_store.networks.timing import seconds_per_pass, synchronised_clock
from dfs_store.videos import VideoDataset
from dfs_store.videos.rehearsal import Rehearsal

__all__ = ["forecast_evaluation"]

_TESTED = 64  # clips per test batch
_WARMED_UP = 8
_CPU_BATCH = 64


def forecast_evaluation(
    sources: Sequence[TrainingBatches],
    test: Rehearsal,
    settings: EvaluationSettings,
    decoding: float = 0.0,
    paces: Paces | None = None,
) -> Forecast:
    """Forecasts the duration of `evaluate`.

    Runs one warm-up step and times two training steps for each kind of label. Times testing on one batch.

    Args:
        sources: training clips, one source per kind of label.
        test: the test clips, or substitutes if they are not prepared.
        settings: settings of the evaluation.
        decoding: time to decode the training clips, in seconds.
        paces: durations already measured with these clips, in seconds; new measurements are added.

    Raises:
        SettingsError: training and test clips have different classes, or the clips are too small.
        DivergedError, OutOfMemoryError: see `evaluate`.
    """
    training, videos = settings.training(0), test.videos
    shape = (len(videos.classes), videos.num_frames, videos.frame_shape[1])
    device = torch.device(settings.device)
    if device.type == "cpu":  # larger batches are no faster on a CPU
        training = replace(training, batch_size=min(training.batch_size, _CPU_BATCH))
    paces, seconds = {} if paces is None else paces, 0.0
    network = fast_order(build_network(settings.model, *shape, seed=training.seed).to(device))
    for source in (labelled_as(videos.classes, each) for each in sources):
        key = settings.model, settings.recipe, min(training.batch_size, len(source)), type(source)
        each = measured(paces, key, partial(_training_seconds, network, source, training))
        seconds += settings.runs * training.passes * each * len(source)
    tests = settings.runs * len(sources) * num_test_passes(settings.protocol)
    decoding += test.decoding_seconds or 0.0
    tested = measured(paces, ("testing", settings.model), partial(_testing_seconds, network, videos))
    parts = {"decoding": decoding} if decoding else {}
    parts |= {"training": seconds, "testing": tests * len(videos) * tested}
    return Forecast(parts, rough=decoding > 0)


def _training_seconds(network: torch.nn.Module, source: TrainingBatches, training: TrainingSettings) -> float:
    """Returns the measured time of a training pass per clip, in seconds."""
    return seconds_per_pass(network, source, training) / len(source)


def _testing_seconds(network: torch.nn.Module, videos: VideoDataset) -> float:
    """Returns the measured time to test one clip, in seconds."""
    device = next(network.parameters()).device
    answers_on(network, videos.subset(np.arange(min(_WARMED_UP, len(videos)))), "strict", seed=0)
    batch = videos.subset(np.arange(min(_TESTED, len(videos))))
    started = synchronised_clock(device)
    answers_on(network, batch, "strict", seed=0)
    return (synchronised_clock(device) - started) / len(batch)
