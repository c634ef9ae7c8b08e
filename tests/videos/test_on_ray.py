"""Shards prepared as Ray tasks give the same cache as one machine. Starts Ray once."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dfs_store import open_videos
from tests.videos.making import make_folder

SMALL = {"frames": 4, "stride": 2, "size": 64}


def test_ray_prepares_the_same_clips_as_one_machine(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'dfs-store[ray]'")
    root = make_folder(tmp_path / "videos", clips=4)
    (root / "left" / "clip2.avi").write_text("no video")
    words = ["datasets", "prepare", "videos", "--engine", "ray", "--part", "train", "--json"]
    words += [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "DFS_CACHE": "cache", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {"RAY_TMPDIR": "/tmp", "RAY_DISABLE_IMPORT_WARNING": "1"}
    environment.pop("RAY_ADDRESS", None)
    # The folder and the cache are relative, although the tasks have another working folder.
    command = [sys.executable, "-m", "dfs_store.cli", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (part,) = json.loads(done.stdout)["parts"]
    assert (part["num_clips"], len(part["failed"])) == (7, 1)
    assert "on Ray" in done.stderr
    made = open_videos(root, cache_dir=tmp_path / "cache", **SMALL)
    alone = open_videos(root, cache_dir=tmp_path / "other", **SMALL)
    assert str(made.cache_path) == part["path"] or made.cache_path == tmp_path / part["path"]
    assert np.array_equal(made.pixels, alone.pixels)
    assert made.failed == alone.failed
