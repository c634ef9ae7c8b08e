"""Which process trains which clips, on one process and on several."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.condense.engine.initialise import clip_groups
from dfs_store.condense.runtime.ranks import Ranks
from dfs_store.errors import SettingsError


@given(st.lists(st.integers(1, 20), min_size=1, max_size=40), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_every_part_has_one_rank_and_ranks_are_balanced(sizes, num_ranks):
    try:
        shares = [Ranks(rank, num_ranks).share(sizes) for rank in range(num_ranks)]
    except SettingsError as error:
        assert f"{num_ranks} processes cannot share" in str(error)  # noqa: PT017 - not the point of the test
        return
    assert [part for share in shares for part in share] == list(range(len(sizes)))
    loads = [sum(sizes[part] for part in share) for share in shares]
    # Because the middle of a part decides, a rank is at most one part away from its share.
    assert max(loads) <= sum(sizes) / num_ranks + max(sizes)


def test_one_process_trains_all_parts_and_does_not_communicate():
    alone = Ranks.current()
    assert alone == Ranks(0, 1)
    assert alone.share([3, 1]) == range(2)
    assert alone.totals([1.5, 2]) == [1.5, 2]
    assert alone.gather("state") == ["state"]
    assert alone.from_first(lambda: 7) == 7
    assert list(alone.in_order(iter("ab"))) == ["a", "b"]


def test_more_processes_than_parts_raise_an_error_with_a_number_that_works():
    with pytest.raises(SettingsError, match=r"4 processes cannot share 6 clips in 3 parts.*use 3 "):
        Ranks(0, 4).share([2, 2, 2])


@pytest.mark.parametrize(
    ("num_classes", "vpc", "parts", "largest_part"), [(3, 2, 3, 2), (10, 1, 5, 2), (50, 10, 10, 32)]
)
def test_groups_are_small_enough_to_share(config, num_classes, vpc, parts, largest_part):
    clips = SimpleNamespace(classes=range(num_classes), num_frames=6, frame_shape=(3, 43, 43))
    groups = clip_groups(config(vpc=vpc), clips, torch.device("cpu"))
    assert np.concatenate([chunk for group in groups for chunk in group]).tolist() == list(
        range(num_classes * vpc)
    )
    assert len(groups) >= parts
    assert max(len(chunk) for group in groups for chunk in group) <= largest_part
    for group in groups:
        assert group[0][0] % vpc == 0  # whole classes
