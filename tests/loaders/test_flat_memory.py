"""Memory does not grow from epoch to epoch, even if batches are kept or sent by workers."""

from pathlib import Path

import pytest

from tests.loaders.flat_memory import BATCH, measured
from tests.loaders.stores import write_store

EPOCHS = 20
SHAPE = (3, 32, 32)
BATCH_BYTES = BATCH * 8 * 3 * 32 * 32 * 4


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs the memory counters of Linux")
@pytest.mark.parametrize("kind", ["loader", "plain", "workers", "packed"])
def test_twenty_epochs(tmp_path, kind):
    path = write_store(tmp_path / "s.zarr", counts=(2, 3, 4, 3) * 24, frame_shape=SHAPE)
    seen = measured("tests.loaders.flat_memory", path, kind, EPOCHS)
    assert len(seen) == EPOCHS
    for own in zip(*seen, strict=True):  # for the main process, and for its workers
        settled, later = max(own[3:10]), max(own[10:])
        # One leaked batch per epoch would add ten batches; the number of batches in transit varies.
        assert later - settled < 5 * BATCH_BYTES, own


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs the memory counters of Linux")
@pytest.mark.parametrize("kind", ["failing", "failing-workers"])
def test_fifty_epochs_ended_by_a_failing_transform(tmp_path, kind):
    path = write_store(tmp_path / "s.zarr", counts=(2, 3, 4, 3) * 24, frame_shape=SHAPE)
    seen = measured("tests.loaders.flat_memory", path, kind, 50)
    for own in zip(*seen, strict=True):
        # One leaked clip per failure would add 5 MB.
        assert max(own[25:]) - max(own[5:25]) < 2 * BATCH_BYTES, own
