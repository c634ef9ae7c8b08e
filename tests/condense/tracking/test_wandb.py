"""Weights & Biases without an account or a network: the run on disk contains what was logged."""

import json
import os
import struct
import subprocess
import sys

import pytest

from dfs_store.condense import condense
from dfs_store.condense.events import StepDone
from dfs_store.condense.tracking.tracker import tracker_folder
from dfs_store.condense.tracking.wandb import WandbTracker

wandb = pytest.importorskip("wandb")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb-home"))
    yield
    wandb.teardown()


def records(path):
    """Yields the records of a .wandb file, a LevelDB log with blocks of 32 KiB after 7 bytes."""
    data, whole = path.read_bytes(), b""
    assert data[:4] == b":W&B"
    place = 7
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # the rest of the block is too short for a header
            place += 32768 - place % 32768
        _checksum, length, kind = struct.unpack_from("<IHB", data, place)
        if not kind:
            break
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


def logged(folder):
    """Returns the logged values of a run by step, and its settings."""
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # waits until its service has written everything, as at the end of the process
    rows, config = [], {}
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        for data in records(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                items = record.history.item
                rows.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items})
            if record.HasField("run"):
                config = {i.key: json.loads(i.value_json) for i in record.run.config.update}
    return rows, config


def test_a_run_is_logged(videos, config, offline):
    settings = config(iterations=4, checkpoint_every=2)
    with WandbTracker(settings, videos) as tracker:
        losses = []

        def on_event(event):
            tracker.on_event(event)
            losses.extend([event.loss] if isinstance(event, StepDone) else [])

        condense(settings, videos, on_event=on_event).close()
    folder = tracker_folder(settings.out, "wandb")
    rows, about = logged(folder)
    assert [row["_step"] for row in rows] == [0, 1, 2, 3]
    assert [row["condense/loss"] for row in rows] == pytest.approx(losses)
    assert {name for row in rows for name in row if name.startswith("condense/")} == {
        f"condense/{name}" for name in ("loss", "key frames per clip", "key frames MiB", "insertions")
    }
    assert sum("clips/_type" in row for row in rows) == 2  # the last checkpoint shares a row with the store
    pictures = list(folder.glob("wandb/offline-run-*/files/media/images/*.png"))
    assert len(pictures) >= 2
    assert (about["method"], about["vpc"], about["iterations"]) == ("dfs", 2, 4)


def test_a_resumed_run_continues_under_the_same_id(videos, config, offline):
    def interrupt(event):
        tracker.on_event(event)
        if isinstance(event, StepDone) and event.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), WandbTracker(config(), videos) as tracker:
        condense(config(), videos, on_event=interrupt)
    with WandbTracker(config(), videos) as tracker:
        condense(config(resume=True), videos, on_event=tracker.on_event).close()
    folder = tracker_folder(config().out, "wandb")
    rows, _ = logged(folder)
    assert [row["_step"] for row in rows] == [0, 1, 2, 3, 4]
    ids = {path.name.rpartition("-")[2] for path in folder.glob("wandb/offline-run-*")}
    assert ids == {(folder / "run-id").read_text()}


def test_a_folder_that_cannot_be_written_does_not_end_the_run(videos, config, offline):
    tracker_folder(config().out, "wandb").touch()
    refused = pytest.warns(UserWarning, match="--track wandb failed: .*continuing without it")
    with WandbTracker(config(), videos) as tracker, refused:
        condense(config(), videos, on_event=tracker.on_event).close()


def test_a_missing_account_raises_an_error_with_a_remedy(tmp_path):
    code = (
        "from dfs_store.condense.tracking.wandb import WandbTracker\n"
        "from dfs_store.errors import SettingsError\n"
        "try:\n    WandbTracker.check_account()\n"
        "except SettingsError as error:\n    print('REFUSED', error)\n"
    )
    hidden = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    hidden |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=hidden,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    assert "REFUSED --track wandb:" in done.stdout
    assert "WANDB_MODE=offline" in done.stdout


def test_offline_needs_no_account(offline):
    WandbTracker.check_account()
