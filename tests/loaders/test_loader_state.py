"""Epochs and resumption: a restarted loader yields exactly the remaining batches."""

import json

import pytest
import torch

from dfs_store import DFSDataset, DFSLoader
from dfs_store.errors import SettingsError

OPTIONS = {"shuffle": True, "seed": 5, "horizontal_flip": 0.5}


@pytest.fixture
def make(store_path):
    return lambda batch_size=2, **options: DFSLoader(
        DFSDataset(store_path), batch_size, **{**OPTIONS, **options}
    )


def record(loader):
    return [(clips.clone(), labels) for clips, labels in loader]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(clips, other_clips) and torch.equal(labels, other_labels)
        for (clips, labels), (other_clips, other_labels) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("consumed", [0, 1, 3, 4])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_restart_continues_where_the_state_was_saved(make, consumed, epoch):
    loader = make()
    for _ in range(epoch):
        list(loader)
    batches = iter(loader)
    for _ in range(consumed):
        next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    rest, following = record(batches), record(loader)
    assert len(rest) == 4 - consumed
    restarted = make()
    restarted.load_state_dict(state)
    assert restarted.epoch == epoch
    assert same(record(restarted), rest)
    assert same(record(restarted), following)


def test_the_state_can_be_loaded_into_the_same_loader(make):
    loader = make()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = record(batches)
    loader.load_state_dict(state)
    assert same(record(loader), rest)


def test_set_epoch_after_a_restart_keeps_the_position_in_the_same_epoch(make):
    loader = make()
    loader.set_epoch(3)
    batches = iter(loader)
    next(batches)
    state, rest = loader.state_dict(), record(batches)
    restarted = make()
    restarted.load_state_dict(state)
    restarted.set_epoch(3)
    assert same(record(restarted), rest)
    restarted.load_state_dict(state)
    restarted.set_epoch(4)
    assert len(record(restarted)) == 4


def test_epochs_advance_automatically_and_set_epoch_overrides_them(make):
    loader = make()
    epochs = [record(loader) for _ in range(3)]
    assert loader.epoch == 3
    assert not same(epochs[0], epochs[1])
    loader.set_epoch(1)
    assert same(record(loader), epochs[1])
    assert loader.epoch == 2


def test_a_pass_is_complete_once_its_last_batch_was_yielded(make):
    loader, expected = make(), make()
    for _ in range(3):  # like a caller that counts batches and never exhausts the iterator
        batches = iter(loader)
        counted = [next(batches) for _ in range(len(loader))]
        assert same(counted, record(expected))
    loader.set_epoch(2)  # repeats the epoch that has just ended
    expected.set_epoch(2)
    assert same(record(loader), record(expected))


def test_an_interrupted_pass_starts_over(make):
    loader = make()
    expected = record(make())
    next(iter(loader))
    assert loader.epoch == 0
    assert same(record(loader), expected)


def test_an_older_pass_that_ends_later_does_not_affect_a_newer_one(make):
    loader = make()
    old = iter(loader)
    next(old)
    loader.set_epoch(7)
    list(old)
    assert loader.state_dict()["epoch"] == 7


def test_a_state_with_different_settings_is_refused_with_both_values(make):
    with pytest.raises(SettingsError, match="batch_size=2, but this loader has batch_size=3"):
        make(3).load_state_dict(make().state_dict())
    with pytest.raises(SettingsError, match="seed=5, but this loader has seed=6"):
        make(seed=6).load_state_dict(make().state_dict())


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"epoch": 1},
        {"epoch": 0, "batch": 0, "settings": None},
        {"epoch": 0, "batch": 0, "settings": "no"},
    ],
)
def test_invalid_states_are_refused(make, state):
    with pytest.raises(SettingsError, match="epoch, batch, settings"):
        make().load_state_dict(state)


def test_a_negative_position_is_refused(make):
    loader = make()
    with pytest.raises(SettingsError, match="batch must be a whole number of at least 0, got -1"):
        loader.load_state_dict({**loader.state_dict(), "batch": -1})
    with pytest.raises(SettingsError, match="epoch must be a whole number of at least 0, got -1"):
        loader.set_epoch(-1)


def test_every_rank_can_load_the_same_state(make):
    state = make(num_replicas=2, rank=0).state_dict()
    make(num_replicas=2, rank=1).load_state_dict(state)
