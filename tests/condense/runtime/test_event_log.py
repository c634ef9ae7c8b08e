"""The log of a run contains every event once, even if the run is killed and resumed."""

import json
import os

import pytest

from dfs_store.condense import CheckpointSaved, ExtractorTrained, RunStarted, StepDone, StoreWritten, condense
from dfs_store.condense.runtime.event_log import EventLog, event_log_path, read_events


def step(number, **more):
    return StepDone(number, 10, "insertion", 1.5, 4, 0, 96, **more)


def test_every_event_is_a_line(tmp_path):
    path = tmp_path / "s.zarr.events.jsonl"
    with EventLog(path) as log:
        log.on_event(RunStarted(0, 10, 2, "cpu", ("a note",)))
        log.on_event(step(0, cosines={1: (None, 0.25, None)}))
        assert len(read_events(path)) == 2  # immediately, not only when the run ends
        log.on_event(CheckpointSaved("s.checkpoint.npz", 1))
        log.on_event(StoreWritten("s.zarr", 2, 4, "d1"))
    lines = read_events(path)
    assert [line["event"] for line in lines] == [
        "run_started",
        "step_done",
        "checkpoint_saved",
        "store_written",
    ]
    assert lines[1]["cosines"] == {"1": [None, 0.25, None]}
    assert "cosines" not in lines[0]
    assert all(line["elapsed_seconds"] >= 0 and line["time"].endswith("+00:00") for line in lines)


def test_a_resumed_run_has_every_step_once(tmp_path):
    path = tmp_path / "log"
    with EventLog(path) as log:
        log.on_event(RunStarted(0, 10, 2, "cpu"))
        for number in range(5):
            log.on_event(step(number))
        log.on_event(CheckpointSaved("c", 3))
    with path.open("a") as file:
        file.write('{"event": "step_do')  # killed while writing
    with EventLog(path) as log:
        log.on_event(RunStarted(3, 10, 2, "cpu"))
        for number in range(3, 10):
            log.on_event(step(number))
    lines = read_events(path)
    assert [line["step"] for line in lines if line["event"] == "step_done"] == list(range(10))
    assert [line["step"] for line in lines if line["event"] == "run_started"] == [0, 3]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_new_run_starts_a_new_log(tmp_path):
    for _ in range(2):
        with EventLog(tmp_path / "log") as log:
            log.on_event(RunStarted(0, 10, 2, "cpu"))
            log.on_event(step(0))
    assert len(read_events(tmp_path / "log")) == 2


def test_a_run_that_fails_before_its_first_step_keeps_the_old_log(tmp_path):
    for _ in range(2):
        with EventLog(tmp_path / "log") as log:
            log.on_event(RunStarted(0, 0, 2, "cpu"))
            log.on_event(ExtractorTrained(1, 16, 0.5))
        assert not (tmp_path / "log").exists()
    with EventLog(tmp_path / "log") as log:
        log.on_event(RunStarted(0, 0, 2, "cpu"))
        log.on_event(ExtractorTrained(1, 16, 0.5))
        log.on_event(StoreWritten("s.zarr", 2, 4, "d1"))
    before = (tmp_path / "log").read_bytes()
    assert [line["event"] for line in read_events(tmp_path / "log")] == [
        "run_started",
        "extractor_trained",
        "store_written",
    ]
    with EventLog(tmp_path / "log") as log:
        log.on_event(RunStarted(0, 0, 2, "cpu"))
    assert (tmp_path / "log").read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0 and not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_does_not_end_the_run(tmp_path):
    log = EventLog(tmp_path / "nowhere" / "log")
    log.on_event(RunStarted(0, 10, 2, "cpu"))
    with pytest.warns(UserWarning, match="continuing without it"):
        log.on_event(step(0))
    log.on_event(step(1))


def test_cosines_of_watched_clips_are_logged_in_the_insertion_phase(videos, config):
    events = []
    settings = config(iterations=5, warmup=0.2, cooldown=0.2, watch=(0, 5, 99))
    condense(settings, videos, on_event=events.append)
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [sorted(event.cosines) for event in steps] == [[], [0, 5], [0, 5], [0, 5], []]
    for event in steps[1:4]:
        for scores in event.cosines.values():
            assert len(scores) == videos.num_frames
            assert scores[0] is None
            assert scores[-1] is None
            assert all(score is None or -1.001 <= score <= 1.001 for score in scores)
    assert any(score is not None for score in steps[1].cosines[5])


def test_the_log_is_next_to_the_output():
    assert event_log_path("a/b.zarr").as_posix() == "a/b.zarr.events.jsonl"


def test_a_line_is_a_single_write_and_a_checkpoint_flushes_all_lines(tmp_path, monkeypatch):
    calls = []
    with EventLog(tmp_path / "log") as log:
        log.on_event(RunStarted(0, 10, 2, "cpu"))
        log.on_event(step(0))
        for name in ("write", "fsync"):
            real = getattr(os, name)
            monkeypatch.setattr(
                os, name, lambda *given, name=name, real=real: calls.append(name) or real(*given)
            )
        log.on_event(step(1, cosines=dict.fromkeys(range(200), (0.123456789,) * 99)))  # a long line
        log.on_event(CheckpointSaved("c", 1))
    assert calls == ["write", "write", "fsync"]
