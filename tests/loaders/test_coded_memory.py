"""Key frames decoded into memory are there once, however many workers there are."""

from pathlib import Path

import numpy as np
import pytest

from dfs_store import StoreWriter, open_store
from tests.loaders.flat_memory import measured

SHAPE = (3, 1024, 1024)
CLIPS = 80  # with two key frames each
MIB = 2**20


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Writes a store of 130 kB that takes 480 MiB when decoded."""
    folder = tmp_path_factory.mktemp("large")
    settings = {"num_frames": 2, "frame_shape": SHAPE, "class_names": ["grey"], "encoding": "webp"}
    with StoreWriter(folder / "one.zarr", **settings) as writer:
        writer.append(np.full((2, *SHAPE), 0.5, dtype=np.float32), [0, 1], 0)
    with StoreWriter(folder / "many.zarr", **settings) as writer, open_store(folder / "one.zarr") as one:
        files = one.coded_clip(0)
        for _ in range(CLIPS):
            writer.append_encoded(files, [0, 1], 0)
    return folder / "many.zarr"


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs the memory counters of Linux")
@pytest.mark.parametrize(("method", "num_workers"), [("fork", 4), ("spawn", 1)])
def test_memory(store, method, num_workers):
    found = measured("tests.loaders.coded_memory", store, method, num_workers)
    assert found["table"] == 2 * CLIPS * 3 * 1024 * 1024
    # Filling the cache of decoded files in the process would take 64 MiB.
    assert found["loading"] < found["table"] + 48 * MIB, found
    if method == "fork":
        # Ending three of four workers would only free their private memory.
        assert found["together"] < 1.3 * (found["together"] - 3 * max(found["private"])), found
    else:
        # Each loads Python and torch, which take 300 MiB if torch is built for GPUs.
        assert max(found["private"]) < found["table"], found
