"""Files to import with random damage are read or rejected with a clear error."""

import random

import numpy as np
import pytest
import torch

from dfs_store import open_store
from dfs_store.errors import DFSError
from dfs_store.exchange import import_clips
from dfs_store.exchange.imports.import_clips import ImportSettings
from dfs_store.exchange.imports.read_file import FileOptions

CLIPS, LABELS = np.random.default_rng(0).normal(size=(4, 5, 3, 6, 7)).astype(np.float32), np.arange(4)
NUM_DAMAGES = 30


def write(path):
    tensors = {"clips": torch.from_numpy(CLIPS), "labels": torch.from_numpy(LABELS)}
    if path.suffix == ".npy":
        np.save(path, CLIPS)
    elif path.suffix == ".npz":
        save = np.savez_compressed if "small" in path.name else np.savez
        save(path, clips=CLIPS, labels=LABELS, class_names=list("abcd"), mean=[0.5] * 3, std=[0.2] * 3)
    elif path.suffix == ".safetensors":
        pytest.importorskip("safetensors")
        from safetensors.torch import save_file

        save_file(tensors, path, metadata={"class_names": '["a", "b", "c", "d"]'})
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization="old" not in path.name)


def damaged(data, generator):
    """Changes, removes or inserts a few bytes, most often in the headers near the start or the end."""
    data = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 8])):
        near = generator.randrange(min(800, len(data)))
        place = generator.choice([generator.randrange(len(data)), near, len(data) - 1 - near])
        kind = generator.random()
        if kind < 0.7:
            data[place] = generator.choice([0, 255, data[place] ^ 1 << generator.randrange(8)])
        elif kind < 0.85:
            del data[place : place + generator.randrange(1, 40)]
        else:
            data[place:place] = generator.randbytes(generator.randrange(1, 9))
    return data


@pytest.mark.parametrize("name", ["c.pt", "old.pt", "c.npy", "c.npz", "small.npz", "c.safetensors"])
def test_damaged_files_are_read_or_rejected(tmp_path, name):
    path, out = tmp_path / name, tmp_path / "o.zarr"
    write(path)
    whole, generator = path.read_bytes(), random.Random(name)
    options = FileOptions(clips_per_class=1 if name == "c.npy" else None)
    refused = 0
    for _ in range(NUM_DAMAGES):
        path.write_bytes(damaged(whole, generator))
        try:
            import_clips(path, out, ImportSettings(file=options), overwrite=True)
        except DFSError:
            refused += 1
        else:
            assert np.isfinite(open_store(out).clip(0)).all()
    assert refused > 0
