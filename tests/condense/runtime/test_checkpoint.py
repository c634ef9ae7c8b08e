"""Checkpoints restore key frames into any chunks of the same clips, and detect damage."""

import errno
import os

import numpy as np
import pytest
import torch

from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.runtime import checkpoint
from dfs_store.condense.runtime.checkpoint import (
    checkpoint_path,
    checkpoints_of,
    joined_states,
    key_frame_state,
    load_newest,
    restore_key_frames,
    save_checkpoint,
)
from dfs_store.errors import CheckpointError, DiskFullError, OutputNotWritableError

PATH = "run.zarr.checkpoint.npz"


def chunk(num_clips, num_frames=6, size=4, seed=0, first_label=0):
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(2, 3, size, size, generator=generator) for _ in range(num_clips)]
    positions = [np.array([0, num_frames - 1])] * num_clips
    return TrainableKeyFrames(
        frames, positions, [first_label + clip for clip in range(num_clips)], num_frames
    )


def test_states_of_several_ranks_are_restored_in_part(tmp_path):
    first, second = chunk(2, seed=1), chunk(3, seed=2, first_label=2)
    second.insert([(1, 3)], step=7)
    second.evidence.add(np.arange(36.0).reshape(2, 3, 6), np.arange(18).reshape(3, 6) % 2 == 0)
    state = joined_states([key_frame_state([[first]]), key_frame_state([[second]])])
    again = chunk(2, first_label=3)
    restore_key_frames(PATH, state, [[again]], first_clip=3, num_clips=5)
    for clip in range(2):
        assert torch.equal(again.clip_frames(clip), second.clip_frames(clip + 1))
        assert np.array_equal(again.clip_positions(clip), second.clip_positions(clip + 1))
    assert again.inserted_at.tolist() == [-1, 7, -1, -1, -1]
    for name in ("cosine_sums", "opposed", "steps"):
        restored, saved = getattr(again.evidence, name), getattr(second.evidence, name)
        assert saved[1:].any(), name
        assert np.array_equal(restored, saved[1:])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (chunk(3), r"contains 2 clips, but this run has 3"),
        (
            chunk(2, num_frames=8),
            r"clips of 6 frames with shape \(3, 4, 4\), but this run needs 8 frames with shape \(3, 4, 4\)",
        ),
        (
            chunk(2, size=5),
            r"6 frames with shape \(3, 4, 4\), but this run needs 6 frames with shape \(3, 5, 5\).*delete",
        ),
    ],
)
def test_different_clips_raise_an_error(other, said):
    with pytest.raises(CheckpointError, match=said):
        restore_key_frames(PATH, key_frame_state([[chunk(2)]]), [[other]])


def test_any_changed_byte_of_a_checkpoint_is_harmless_or_reported(tmp_path):
    out = tmp_path / "run.zarr"
    state = key_frame_state([[chunk(2)]])
    save_checkpoint(checkpoint_path(out), 3, {"lr": 1.0}, state)
    original = checkpoint_path(out).read_bytes()
    damaged = 0
    for position in [*range(0, len(original), 29), *range(len(original) - 60, len(original))]:
        for mask in (0x01, 0xFF):
            data = bytearray(original)
            data[position] ^= mask
            checkpoint_path(out).write_bytes(data)
            try:
                step, found = load_newest(out, {"lr": 1.0})
            except CheckpointError:
                damaged += 1
                continue
            assert step == 3
            assert found.keys() == state.keys()
            assert all(np.array_equal(found[name], state[name]) for name in state)
    assert damaged > 200  # of 344 changes; the others are in bytes that are never read


def wrong(name, change):
    def tamper(state):
        state[name] = change(state[name])

    return tamper


def without(name):
    return lambda state: state.pop(name)


# Complete archives with valid checksums, as an attacker would write them.
TAMPERED = {
    "absent": without("momentum-0"),
    "evidence": without("steps-0"),
    "shape": wrong("frames-0", lambda array: array[:, :2]),
    "momentum": wrong("momentum-0", lambda array: array[..., :1]),
    "rows": wrong("positions-0", lambda array: array[:-1]),
    "type": wrong("frames-0", lambda array: array.astype(np.complex64)),
    "text": wrong("positions-0", lambda array: array.astype("U9")),
    "nan": wrong("frames-0", lambda array: array * np.nan),
    "negative": wrong("counts-0", lambda array: array * -1),
    "huge": wrong("counts-0", lambda array: array + 2**62),
    "moved": wrong("counts-0", lambda array: array + np.array([1, -1])),
    "none": wrong("counts-0", lambda array: array + np.array([2, -2])),
    "beyond": wrong("positions-0", lambda array: array * 1000),
    "before": wrong("positions-0", lambda array: array - 5),
    "backwards": wrong("positions-0", lambda array: array[::-1].copy()),
    "flat": wrong("cosine_sums-0", lambda array: array[:, 0]),
    "short": wrong("opposed-0", lambda array: array[:, :1]),
    "scalar": wrong("steps-0", lambda array: array[0, 0]),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_state_raises_an_error(tmp_path, name):
    out, groups = tmp_path / "run.zarr", [[chunk(2)]]
    state = key_frame_state(groups)
    before = {key: array.copy() for key, array in state.items()}
    TAMPERED[name](state)
    save_checkpoint(checkpoint_path(out), 3, {}, state)
    with pytest.raises(
        CheckpointError, match=r"run\.zarr\.checkpoint\.npz .* delete the checkpoint to start the run again"
    ):
        restore_key_frames(checkpoint_path(out), load_newest(out, {})[1], groups)
    assert all(np.array_equal(array, before[key]) for key, array in key_frame_state(groups).items())


@pytest.mark.parametrize("step", [-1, 1.5, "3", True, None, [3]])
def test_an_invalid_step_is_reported_as_damage(tmp_path, step):
    save_checkpoint(checkpoint_path(tmp_path / "r.zarr"), step, {}, key_frame_state([[chunk(2)]]))
    with pytest.raises(CheckpointError, match="damaged"):
        load_newest(tmp_path / "r.zarr", {})


def test_a_compressed_checkpoint_raises_an_error(tmp_path):
    np.savez_compressed(checkpoint_path(tmp_path / "r.zarr"), header=np.zeros(2**28, np.uint8))
    with pytest.raises(CheckpointError, match="compressed"):
        load_newest(tmp_path / "r.zarr", {})


def test_two_runs_with_the_same_output_never_leave_a_partial_checkpoint(tmp_path):
    path = checkpoint_path(tmp_path / "run.zarr")
    states = [key_frame_state([[chunk(2, seed=seed)]]) for seed in (1, 2)]
    for step in range(40):
        other = os.fork()
        if other == 0:
            try:
                save_checkpoint(path, step, {}, states[1])
            except BaseException:  # noqa: BLE001 - the child process must end here in any case
                os._exit(1)
            os._exit(0)
        save_checkpoint(path, step, {}, states[0])
        assert os.waitpid(other, 0)[1] == 0
        for found in checkpoints_of(tmp_path / "run.zarr"):
            assert checkpoint._read(found)[0] in (step, step - 1)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EIO, OutputNotWritableError),
    ],
)
def test_a_failed_checkpoint_leaves_the_previous_one(tmp_path, monkeypatch, number, error):
    out = tmp_path / "run.zarr"
    state = key_frame_state([[chunk(2)]])
    save_checkpoint(checkpoint_path(out), 1, {}, state)

    def refuse(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(error):
        save_checkpoint(checkpoint_path(out), 2, {}, state)
    assert load_newest(out, {})[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.zarr.checkpoint.npz"]
