"""First impressions: hints that can be pasted, exit codes, and progress on small terminals."""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios

import pytest

from dfs_store.condense.runtime.event_log import event_log_path, read_events
from tests.cli.conftest import write_store

SMALL = (
    "--dataset", "moving-shapes", "--classes", "still,fast", "--frames", "4", "--size", "43", "--vpc", "1",
    "--device", "cpu",
)  # fmt: skip
STEPS = ("--iterations", "6", "--batch-real", "2")
RANDOM = ("condense", *SMALL, "--method", "random")


def test_hints_are_valid_shell_commands(dfs, tmp_path):
    out = tmp_path / "it's my store.zarr"
    done = dfs(*RANDOM, "--out", out)
    hints = [shlex.split(line.removeprefix("next:")) for line in done.stdout.splitlines() if " dfs " in line]
    assert [words[1] for words in hints] == ["inspect", "preview", "report", "evaluate"]
    assert all(words[2] == str(out) for words in hints)
    for words in hints[:3]:
        assert dfs(*words[1:]).code == 0


def test_quiet_prints_no_hints(dfs, tmp_path):
    done = dfs(*RANDOM, "--out", tmp_path / "s.zarr", "-q")
    assert "key frames" in done.stdout
    assert "next" not in done.stdout
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_on_stdout_is_not_reported_as_a_bug(tmp_path):
    store = write_store(tmp_path / "s.zarr")
    for words in (["inspect", store], ["inspect", store, "--json"], ["--help"], ["--version"]):
        with open("/dev/full", "w") as full:
            command = [sys.executable, "-m", "dfs_store.cli", *map(str, words)]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        assert done.returncode == 5, words
        assert "No space left" in done.stderr
        assert "bug" not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_run_survives_a_full_disk_on_stderr(tmp_path):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "dfs_store.cli", *RANDOM, "--out", str(tmp_path / "s.zarr")]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, timeout=120)
    assert done.returncode == 0
    assert "key frames" in done.stdout


@pytest.mark.parametrize("columns", [80, 40])
def test_the_time_left_is_visible_on_small_terminals(tmp_path, columns):
    words = ["condense", *SMALL, *STEPS, "--out", str(tmp_path / "s.zarr")]
    process, terminal = pty.fork()
    if not process:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(columns)}
        os.execv(sys.executable, [sys.executable, "-m", "dfs_store.cli", *words])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the command has ended
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()))
    under = [line for line in lines if "steps/s" in line or " left" in line]
    assert any(re.match(r"  (\d+ s|[\d:]+) left", line) for line in under)
    assert all(len(line) <= columns for line in under if " left" in line)


def test_mistyped_settings_get_a_suggestion(dfs, tmp_path):
    outcome = dfs("condense", *SMALL, "--iteration", "5", "--out", tmp_path / "s.zarr")
    assert outcome.code == 2
    assert "--iterations" in outcome.stderr
    settings = tmp_path / "s.toml"
    settings.write_text('dataset = "moving-shapes"\nvpc = 1\niteration = 5\nout = "s.zarr"\n')
    outcome = dfs("condense", "--config", settings)
    assert outcome.code == 2
    assert "Did you mean 'iterations'?" in outcome.stderr


def test_a_refused_run_leaves_no_files(dfs, tmp_path):
    out = tmp_path / "s.zarr"
    words = ("condense", *SMALL, "--method", "herding", "--extractor", tmp_path / "no.pt", "--out", out)
    outcome = dfs(*words, "--track", "tensorboard")
    assert outcome.code == 2
    assert "no.pt" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_herding_announces_that_it_trains_a_network(dfs, tmp_path, short_training):
    done = dfs("condense", *SMALL, "--method", "herding", "--out", tmp_path / "s.zarr")
    assert done.code == 0
    assert "trains ConvNet3D once on the real clips" in done.stderr
    assert "condense: 0/1  training a network on the real clips" in done.stderr


def test_the_summary_of_a_resumed_run_covers_the_whole_run(dfs, tmp_path, monkeypatch):
    """An uninterrupted run and one stopped after the third step print the same summary."""
    from dfs_store.cli.shown.condense_progress import CondenseProgress

    at_once = dfs("condense", *SMALL, *STEPS, "--out", tmp_path / "a.zarr").stdout

    real = CondenseProgress._on_step

    def stop_after_three(self, event):
        real(self, event)
        if event.step == 2:
            raise KeyboardInterrupt("stopped")

    out = tmp_path / "b.zarr"
    with monkeypatch.context() as patched:
        patched.setattr(CondenseProgress, "_on_step", stop_after_three)
        assert dfs("condense", *SMALL, *STEPS, "--out", out).code == 130
    resumed = dfs("condense", *SMALL, *STEPS, "--out", out, "--resume", "--json")
    log = read_events(event_log_path(out))
    assert [line["step"] for line in log if line["event"] == "run_started"] == [0, 3]
    first = [line["elapsed_seconds"] for line in log if line["event"] == "step_done"][2]
    assert resumed.document["elapsed_seconds"] > first
    story = [line for line in at_once.splitlines() if "at the start" in line or "inserted," in line]
    again = dfs("condense", *SMALL, *STEPS, "--out", out, "--resume", "--overwrite")
    assert [line.partition(";")[0] for line in story] == [
        line.partition(";")[0]
        for line in again.stdout.splitlines()
        if "at the start" in line or "inserted," in line
    ]


def test_suggested_commands_finish_in_minutes_on_a_cpu(dfs, tmp_path):
    many = dfs("condense", *SMALL, "--method", "random", "--vpc", "60", "--out", tmp_path / "s.zarr")
    assert "--epochs 41 --runs 1\n" in many.stdout  # trains on 5,000 clips in all
    words = ("--method", "random", "--size", "20", "--vpc", "1", "--out", tmp_path / "small.zarr")
    assert "dfs evaluate" not in dfs("condense", *SMALL, *words).stdout  # ConvNet3D would refuse the clips
    prepared = dfs("datasets", "prepare", "moving-shapes", "--size", "43", "--classes", "still,fast")
    proposed = "next: dfs condense --dataset moving-shapes --size 43 --classes still,fast --vpc 1"
    assert f"{proposed} --out moving-shapes.zarr --dry-run" in prepared.stderr
    assert "next" not in dfs("datasets", "prepare", "moving-shapes", "-q").stderr
