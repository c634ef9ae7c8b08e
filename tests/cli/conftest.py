"""Runs the command line in this process, and writes small stores for it."""

import json
from typing import NamedTuple

import numpy as np
import pytest
from dfs_store.cli import app
from typer.testing import CliRunner

from dfs_store import StoreWriter


class Outcome(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self):
        return json.loads(self.stdout)


@pytest.fixture
def dfs(monkeypatch):
    """Returns a function that runs a command and returns its output."""
    monkeypatch.delenv("DFS_DEBUG", raising=False)

    def run(*words):
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


def write_store(path, dtype="float32", num_clips=3):
    """Writes a store of three classes. Clip i has 8 frames and 2 + i % 3 key frames."""
    generator = np.random.default_rng(0)
    attributes = {
        "normalization": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        "fps": 8.0,
        "provenance": {"method": "dfs", "dataset": "made-up", "vpc": 1, "seed": 3},
    }
    positions = ([0, 7], [0, 3, 7], [0, 2, 5, 7])
    with StoreWriter(
        path,
        num_frames=8,
        frame_shape=(3, 6, 5),
        class_names=["a", "b", "c"],
        dtype=dtype,
        attributes=attributes,
    ) as writer:
        for clip in range(num_clips):
            keys = positions[clip % 3]
            frames = generator.standard_normal((len(keys), 3, 6, 5)).astype(np.float32)
            writer.append(frames, keys, clip % 3, [-1] * len(keys))
    return path


@pytest.fixture(params=["zarr", "h5"])
def store(tmp_path, request):
    return write_store(tmp_path / f"store.{request.param}")
