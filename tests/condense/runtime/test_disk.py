"""Disk space is estimated before a run and checked during it."""

from collections import namedtuple

import pytest

from dfs_store.condense import condense, plan_run
from dfs_store.condense.runtime.disk import DiskNeed, DiskWatch, check_disk, free_bytes, warn_of_disk
from dfs_store.errors import DiskFullError

FRAME = 3 * 43 * 43


@pytest.fixture
def disk(monkeypatch):
    """Replaces the real disk with one that has a given number of free bytes."""
    usage = namedtuple("usage", "free")
    return lambda free: monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(free))


@pytest.fixture
def need_of(videos):
    return lambda config: plan_run(config, videos).disk


@pytest.mark.parametrize(("name", "copies"), [("a.zarr", 1), ("a.h5", 2)])
def test_the_plan_counts_store_and_checkpoints(config, need_of, tmp_path, name, copies):
    need = need_of(config(out=str(tmp_path / name), dtype="float16"))
    state, stored = 2 * 4 * FRAME, 2 * FRAME
    assert need == DiskNeed(*(6 * keys * (copies * stored + 3 * state) for keys in (2, 6)))
    coreset = config(out=str(tmp_path / name), method="random", iterations=None, lr=None, batch_real=None)
    assert need_of(coreset) == DiskNeed(*[copies * 6 * 6 * 4 * FRAME] * 2)


def test_a_disk_that_is_too_small_raises_an_error_before_the_run(config, videos, need_of, disk, tmp_path):
    settings, events = config(), []
    disk(need_of(settings).least - 1)
    with pytest.raises(DiskFullError, match=r"needs at least [\d,]+ bytes .* are free; free up space"):
        condense(settings, videos, on_event=events.append)
    assert not events
    assert not list(tmp_path.iterdir())


def test_a_disk_that_may_become_too_small_causes_a_warning(config, videos, need_of, disk):
    settings = config()
    need = need_of(settings)
    disk(need.most - 1)
    with pytest.warns(UserWarning, match="if every frame became a key frame"):
        condense(settings, videos)
    disk(need.most)
    check_disk(settings.out, need)
    warn_of_disk(settings.out, need)  # a warning would be raised as an error here


def test_a_disk_that_fills_up_during_the_run_causes_one_warning(config, disk, monkeypatch, tmp_path, recwarn):
    monkeypatch.setattr("dfs_store.condense.runtime.disk._SECONDS_BETWEEN_LOOKS", 0.0)
    watch = DiskWatch(str(tmp_path / "a.zarr"))
    disk(3000)
    watch.look(1000)
    assert not recwarn
    disk(2999)
    watch.look(1000)
    watch.look(1000)
    assert [str(each.message).partition(": ")[2] for each in recwarn] == [
        "2,999 bytes are free on this disk, but the next checkpoint and the store need 3,000; "
        "free up space while the run continues"
    ]
    disk(3000)
    watch.look(1000)
    disk(2999)
    watch.look(1000)
    assert len(recwarn) == 2


def test_free_bytes_are_counted_on_the_disk_of_the_store(tmp_path):
    assert free_bytes(str(tmp_path / "not" / "there" / "yet.zarr")) == pytest.approx(
        free_bytes(str(tmp_path / "x.zarr")), rel=0.1
    )
