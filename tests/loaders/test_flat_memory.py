"""Memory stays where it is, epoch after epoch, though batches are kept and workers send them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loaders.flat_memory import BATCH
from tests.loaders.stores import write_store

EPOCHS = 20
SHAPE = (3, 32, 32)
BATCH_BYTES = BATCH * 8 * 3 * 32 * 32 * 4


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="measured as Linux tells it")
@pytest.mark.parametrize("kind", ["loader", "plain", "workers", "packed"])
def test_twenty_epochs(tmp_path, kind):
    path = write_store(tmp_path / "s.zarr", counts=(2, 3, 4, 3) * 24, frame_shape=SHAPE)
    done = subprocess.run(
        [sys.executable, "-m", "tests.loaders.flat_memory", path, kind, str(EPOCHS)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert len(seen) == EPOCHS
    for own in zip(*seen, strict=True):  # of the main process, and of its workers
        settled, later = max(own[3:10]), max(own[10:])
        # A batch that leaked per epoch would be ten of them; batches on their way come and go.
        assert later - settled < 5 * BATCH_BYTES, own
