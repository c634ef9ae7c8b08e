"""Memory stays where it is, epoch after epoch, though batches are kept and workers send them."""

from pathlib import Path

import pytest

from tests.loaders.flat_memory import BATCH, measured
from tests.loaders.stores import write_store

EPOCHS = 20
SHAPE = (3, 32, 32)
BATCH_BYTES = BATCH * 8 * 3 * 32 * 32 * 4


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="measured as Linux tells it")
@pytest.mark.parametrize("kind", ["loader", "plain", "workers", "packed"])
def test_twenty_epochs(tmp_path, kind):
    path = write_store(tmp_path / "s.zarr", counts=(2, 3, 4, 3) * 24, frame_shape=SHAPE)
    seen = measured("tests.loaders.flat_memory", path, kind, EPOCHS)
    assert len(seen) == EPOCHS
    for own in zip(*seen, strict=True):  # of the main process, and of its workers
        settled, later = max(own[3:10]), max(own[10:])
        # A batch that leaked per epoch would be ten of them; batches on their way come and go.
        assert later - settled < 5 * BATCH_BYTES, own


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="measured as Linux tells it")
@pytest.mark.parametrize("kind", ["failing", "failing-workers"])
def test_a_hundred_epochs_that_a_transform_ends(tmp_path, kind):
    path = write_store(tmp_path / "s.zarr", counts=(2, 3, 4, 3) * 24, frame_shape=SHAPE)
    seen = measured("tests.loaders.flat_memory", path, kind, 100)
    for own in zip(*seen, strict=True):
        # A clip that leaked per failure would be 5 MB more.
        assert max(own[50:]) - max(own[5:50]) < 2 * BATCH_BYTES, own
