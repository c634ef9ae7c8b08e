"""TensorBoard's own reader finds what a run logged."""

import io

import numpy as np
import pytest
from PIL import Image

from dfs_store.condense import RunStarted, StepDone, condense
from dfs_store.condense.tracking.tensorboard import TensorboardTracker
from dfs_store.condense.tracking.tracker import tracker_folder

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def test_a_run_is_logged(videos, config):
    settings = config(iterations=4, checkpoint_every=2)
    folder = tracker_folder(settings.out, "tensorboard")
    with TensorboardTracker(settings, videos) as tracker:
        condense(settings, videos, on_event=tracker.on_event)
    found = event_accumulator.EventAccumulator(str(folder)).Reload()
    scalars = set(found.Tags()["scalars"])
    assert scalars == {
        f"condense/{name}" for name in ("loss", "key frames per clip", "key frames MiB", "insertions")
    }
    assert [event.step for event in found.Scalars("condense/loss")] == [0, 1, 2, 3]
    sheets = found.Images("clips")
    assert len(sheets) >= 2  # for a checkpoint, the last checkpoint, and the store
    with Image.open(io.BytesIO(sheets[-1].encoded_image_string)) as sheet:
        assert sheet.width > 400
        last = np.asarray(sheet)
    with Image.open(io.BytesIO(sheets[-2].encoded_image_string)) as sheet:
        # The checkpoint after the last step contains the same clips as the store.
        assert np.array_equal(np.asarray(sheet), last)


def test_a_resumed_run_continues_in_the_same_folder(videos, config):
    for first in (0, 5):
        with TensorboardTracker(config(), videos) as tracker:
            tracker.on_event(RunStarted(first, 10, 1, "cpu"))
            tracker.on_event(StepDone(first, 10, "insertion", 1.5, 4, 0, 96))
    assert len(list(tracker_folder(config().out, "tensorboard").glob("events*"))) == 2


def test_a_new_run_does_not_continue_the_curves_of_an_earlier_one(videos, config):
    for steps in (6, 3):
        with TensorboardTracker(config(), videos) as tracker:
            tracker.on_event(RunStarted(0, steps, 1, "cpu"))
            for step in range(steps):
                tracker.on_event(StepDone(step, steps, "insertion", 1.5, 4, 0, 96))
    found = event_accumulator.EventAccumulator(str(tracker_folder(config().out, "tensorboard"))).Reload()
    assert [event.step for event in found.Scalars("condense/loss")] == [0, 1, 2]


def test_a_folder_that_cannot_be_written_does_not_end_the_run(videos, config):
    tracker_folder(config().out, "tensorboard").touch()
    with TensorboardTracker(config(), videos) as tracker:
        tracker.on_event(RunStarted(0, 3, 1, "cpu"))
        with pytest.warns(UserWarning, match="continuing without it"):
            tracker.on_event(StepDone(0, 3, "insertion", 1.5, 4, 0, 96))
        tracker.on_event(StepDone(1, 3, "insertion", 1.5, 4, 0, 96))
