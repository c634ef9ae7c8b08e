"""Ctrl-C and SIGTERM stop a real run between two steps, and leave a checkpoint."""

import os
import signal
import subprocess
import sys

import pytest
import typer
from dfs_store.cli import _exit_codes

from dfs_store import open_store
from dfs_store.errors import LostRankError

COMMAND = (
    "condense", "--dataset", "moving-shapes", "--classes", "still,fast", "--frames", "4", "--size", "43",
    "--vpc", "1", "--batch-real", "2", "--device", "cpu",
)  # fmt: skip


def start(out, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "dfs_store.cli", *COMMAND, "--out", out, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)],
    ids=["int", "term", "usr1"],
)
def test_one_signal_saves_a_checkpoint_that_resumes(tmp_path, number, code):
    out = tmp_path / "s.zarr"
    process = start(out, "--iterations", "100000")
    for line in process.stderr:  # once the first step is shown, the run is in progress
        if "condense: 1/" in line:
            break
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert "--resume" in said
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"s.zarr.checkpoint.npz", "s.zarr.events.jsonl"}
    if number != signal.SIGINT:
        return  # the rest is the same for all signals
    # The settings determine the result, so a resumed run must repeat them.
    again = start(out, "--iterations", "3", "--resume")
    _, said = again.communicate(timeout=120)
    assert again.returncode == 2
    assert "iterations was 100000, now 3" in said
    over = start(out, "--iterations", "1", "--overwrite")
    over.communicate(timeout=120)
    assert over.returncode == 0
    with open_store(out) as store:
        assert len(store) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"s.zarr", "s.zarr.events.jsonl"}


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def lost():
    raise LostRankError("another process ended")


def terminated_while_it_ends():
    try:
        lost()
    finally:
        terminate()


@pytest.mark.parametrize("end", [lost, terminated_while_it_ends])
def test_a_process_that_torchrun_terminates_still_reports_the_lost_one(monkeypatch, capsys, end):
    complain = _exit_codes.complain

    def terminated_while_it_reports(*words, **options):
        terminate()
        complain(*words, **options)

    monkeypatch.setattr(_exit_codes, "complain", terminated_while_it_reports)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as ended:
        _exit_codes.command(end)()
    assert ended.value.exit_code == 143
    assert capsys.readouterr().err == "dfs: another process ended\n"
    assert signal.getsignal(signal.SIGTERM) is before
