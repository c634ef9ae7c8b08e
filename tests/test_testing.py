"""The strategies draw valid values, and importing them without Hypothesis says what to install."""

import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store import testing
from dfs_store.interpolation import check_positions


@given(st.data(), st.integers(2, 40))
def test_positions_are_valid(data, num_frames):
    check_positions(data.draw(testing.positions(num_frames)), num_frames)


@given(testing.key_frame_sets())
def test_key_frame_sets_are_valid(clip):
    assert check_positions(clip.positions, clip.num_frames).size == clip.key_frames.shape[0]
    assert clip.key_frames.dtype == np.float32
    assert np.isfinite(clip.key_frames).all()


@settings(max_examples=30, deadline=None)
@given(content=testing.stores())
def test_store_contents_are_consistent(content):
    assert content.num_key_frames == sum(clip.key_frames.shape[0] for clip in content.clips)
    assert all(clip.key_frames.shape[1:] == content.frame_shape for clip in content.clips)
    assert all(0 <= clip.label < len(content.class_names) for clip in content.clips)


def test_without_hypothesis_the_error_names_the_install_command():
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from dfs_store.errors import MissingDependencyError\n"
        "try:\n"
        "    import dfs_store.testing\n"
        "except MissingDependencyError as error:\n"
        "    sys.exit(0 if \"pip install 'dfs-store[test]'\" in str(error) else str(error))\n"
        "sys.exit(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
