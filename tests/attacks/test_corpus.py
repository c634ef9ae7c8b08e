"""Reads every input that the fuzzer kept, see `fuzz_targets`."""

import pytest

from tests.attacks.fuzz_targets import CORPUS, TARGETS, seeds


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_in_the_corpus_is_handled(target):
    kept = sorted((CORPUS / target).iterdir())
    assert len(kept) > 5
    for file in kept:
        TARGETS[target](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_valid_inputs_reach_the_end_of_each_target(target):
    # Otherwise, the fuzzer would never get past the first check.
    for data in seeds(target):
        TARGETS[target](data)


def test_valid_shards_are_read(monkeypatch):
    from dfs_store.format.zarr.frames import ZarrFrames

    read = []
    monkeypatch.setattr(
        ZarrFrames,
        "read_spans",
        lambda self, *place, plain=ZarrFrames.read_spans: read.append(plain(self, *place)) or read[-1],
    )
    for data in seeds("index"):
        TARGETS["index"](data)
    assert len(read) == 6  # all from the shard without compression
