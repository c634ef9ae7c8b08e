"""A byte budget for dfs stops insertion, however many candidates there are."""

import numpy as np
import pytest
import torch

from dfs_store.condense import condense
from dfs_store.condense.engine.insertion.budget import Room, affordable_key_frames
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.plan import plan_run
from dfs_store.errors import SettingsError
from dfs_store.format.accounting import count_index

EAGER = {"iterations": 6, "warmup": 0.0, "cooldown": 0.0, "insert_every": 0.0, "epsilon": 2.0}


def budget_for(key_frames, num_clips, frame_shape):
    """Returns the exact size of a number of key frames with their index and steps, in bytes."""
    index = count_index(key_frames, num_clips, frame_shape[0], "float32", with_steps=True)
    return key_frames * int(np.prod(frame_shape)) * 4 + index


def test_insertion_stops_at_the_budget(videos, config):
    clips, shape = 2 * len(videos.classes), videos.frame_shape
    unlimited = condense(config(**EAGER), videos)
    free = int(unlimited.offsets[-1])
    unlimited.close()
    for extra in (0, 1, len(videos.classes), len(videos.classes) * 2 + 1):
        wanted = 2 * clips + extra
        assert wanted < free
        budget = budget_for(wanted, clips, shape)
        with condense(config(**EAGER, budget=budget, overwrite=True), videos) as store:
            found, storage = int(store.offsets[-1]), store.storage
            per_class = np.bincount(store.labels, np.diff(store.offsets))
        assert found == 2 * clips + extra // len(videos.classes) * len(videos.classes)
        assert len(set(per_class.tolist())) == 1
        assert storage.key_frame_bytes + storage.index_bytes <= budget


def test_a_budget_below_the_initial_key_frames_is_refused(videos, config):
    clips, shape = 2 * len(videos.classes), videos.frame_shape
    enough = budget_for(2 * clips, clips, shape)
    plan = plan_run(config(**EAGER, budget=enough), videos)
    assert plan.most_bytes <= enough
    assert affordable_key_frames(plan.config, clips, shape) == 2 * clips
    with pytest.raises(SettingsError, match=r"--budget .* but the run starts with"):
        plan_run(config(**EAGER, budget=enough - 1), videos)
    with pytest.raises(SettingsError, match="--encoding"):
        plan_run(config(**EAGER, budget=enough, encoding="webp"), videos)


def test_room_is_shared_by_the_chunks_of_a_class(videos, config):
    clips, shape = 2 * len(videos.classes), videos.frame_shape
    settings = config(**EAGER, budget=budget_for(2 * clips + len(videos.classes), clips, shape)).resolved()
    frames = torch.zeros(2, *shape)
    group = [
        TrainableKeyFrames([frames], [[0, videos.num_frames - 1]], [label], videos.num_frames)
        for label in (0, 0, 1, 1)
    ]
    room = Room(settings, group, len(videos.classes))
    assert room.take([(0, 1), (0, 2)], group[0].labels) == [(0, 1)]
    assert room.take([(0, 1)], group[1].labels) == []  # the other clip of the class has used the share
    assert room.take([(0, 3)], group[2].labels) == [(0, 3)]
    free = Room(config(**EAGER).resolved(), group, len(videos.classes))
    assert free.take([(0, 1), (0, 2)], group[0].labels) == [(0, 1), (0, 2)]
