"""A checkpoint's key frames go back into clips of the same kind alone, however they are cut into chunks."""

import numpy as np
import pytest
import torch

from dfs_store.condense.checkpoint import joined_states, key_frame_state, restore_key_frames
from dfs_store.condense.key_frames import KeyFrameSet
from dfs_store.errors import CheckpointError

PATH = "run.zarr.checkpoint.npz"


def chunk(num_clips, num_frames=6, size=4, seed=0, first_label=0):
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(2, 3, size, size, generator=generator) for _ in range(num_clips)]
    positions = [np.array([0, num_frames - 1])] * num_clips
    return KeyFrameSet(frames, positions, [first_label + clip for clip in range(num_clips)], num_frames)


def test_states_of_several_ranks_are_restored_in_part(tmp_path):
    first, second = chunk(2, seed=1), chunk(3, seed=2, first_label=2)
    second.insert([(1, 3)], step=7)
    state = joined_states([key_frame_state([[first]]), key_frame_state([[second]])])
    again = chunk(2, first_label=3)
    restore_key_frames(PATH, state, [[again]], first_clip=3, num_clips=5)
    for clip in range(2):
        assert torch.equal(again.clip_frames(clip), second.clip_frames(clip + 1))
        assert np.array_equal(again.clip_positions(clip), second.clip_positions(clip + 1))
    assert again.inserted_at.tolist() == [-1, 7, -1, -1, -1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (chunk(3), r"holds 2 clips, not those of this run"),
        (chunk(2, num_frames=8), r"holds clips of 6 frames of \(3, 4, 4\), this run has 8 of \(3, 4, 4\)"),
        (chunk(2, size=5), r"holds clips of 6 frames of \(3, 4, 4\), this run has 6 of \(3, 5, 5\).*delete"),
    ],
)
def test_other_clips_are_refused(other, said):
    with pytest.raises(CheckpointError, match=said):
        restore_key_frames(PATH, key_frame_state([[chunk(2)]]), [[other]])
