"""`dfs condense`: plans, short runs on a built-in dataset, and errors."""

from dataclasses import fields

import pytest
import typer
from dfs_store.cli import app
from dfs_store.cli.options.settings_file import read_settings_file

from dfs_store import open_store
from dfs_store.condense import CondenseConfig
from dfs_store.condense.runtime.event_log import event_log_path, read_events
from dfs_store.errors import SettingsError

SMALL = (
    "--dataset", "moving-shapes", "--classes", "still,fast", "--frames", "4", "--size", "43",
    "--vpc", "1", "--batch-real", "2", "--device", "cpu",
)  # fmt: skip


def test_the_defaults_in_the_help_match_the_settings():
    command = typer.main.get_command(app).commands["condense"]
    settings = {field.name: field for field in fields(CondenseConfig)}
    shown = {p.name: p.show_default for p in command.params if isinstance(p.show_default, str)}
    assert {"warmup", "insert_every", "evidence", "persistence", "score"} <= shown.keys()
    for name, text in shown.items():
        default, explained = settings[name].default, settings[name].metadata["option"].shown
        if explained is not None:
            assert (text, default) == (explained, None), name
            continue
        values = default if isinstance(default, tuple) else (default,)
        assert text == ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values), name


def test_a_run_prints_a_document(dfs, tmp_path):
    out = tmp_path / "s.zarr"
    outcome = dfs("condense", *SMALL, "--iterations", "3", "--out", out, "--json", "--dtype", "float16")
    assert outcome.code == 0
    content = outcome.document
    assert content["schema"] == "dfs.condense/1"
    assert content["content_digest"] == open_store(out).content_digest
    assert content["steps_per_second"] > 0
    with open_store(out) as store:
        assert store.class_names == ["fast", "still"]
        assert store.dtype == "float16"
        assert content["num_key_frames"] == store.offsets[-1]
        assert store.attributes["provenance"]["config"]["iterations"] == 3


def test_the_text_ends_with_the_next_commands(dfs, tmp_path):
    out = tmp_path / "s.h5"
    outcome = dfs("condense", *SMALL, "--method", "random", "--out", out)
    assert f"next: dfs inspect {out}" in outcome.stdout
    assert f"dfs evaluate {out} --dataset moving-shapes" in outcome.stdout
    assert "8 key frames, 4.00 per clip" in outcome.stdout
    assert "100.0 % of dense float32, 400.0 % of dense uint8" in outcome.stdout
    assert dfs("inspect", out).code == 0


def test_quiet_prints_nothing_to_stderr(dfs, tmp_path):
    assert dfs("condense", *SMALL, "--method", "random", "--out", tmp_path / "s.h5", "-q").stderr == ""


def test_dry_run_prints_the_plan_and_writes_nothing(dfs, tmp_path):
    outcome = dfs("condense", *SMALL, "--iterations", "100", "--out", tmp_path / "s.zarr", "--dry-run")
    assert outcome.code == 0
    for line in ("warm-up    steps 0 to 19", "insertion  steps 20 to 79", "cool-down  steps 80 to 99"):
        assert line in outcome.stdout
    assert "momentum            0.95" in outcome.stdout
    frame = 3 * 43 * 43 * 4
    assert f"({2 * 2 * frame:,} bytes)" in outcome.stdout
    assert f"({2 * 4 * frame:,} bytes)" in outcome.stdout
    assert list(tmp_path.iterdir()) == []
    plan = dfs("condense", *SMALL, "--out", tmp_path / "s.zarr", "--dry-run", "--json").document
    assert plan["num_clips"] == 2
    assert plan["first_bytes"] == 2 * 2 * frame


@pytest.mark.parametrize("key_frames", [1, 3])
def test_the_planned_number_of_key_frames_is_stored(dfs, tmp_path, key_frames):
    out = tmp_path / "s.zarr"
    words = ("condense", *SMALL, "--method", "random", "--key-frames", str(key_frames), "--out", out)
    plan = dfs(*words, "--dry-run", "--json").document
    storage = dfs(*words, "--json").document["storage"]
    expected = 2 * key_frames * 3 * 43 * 43 * 4
    assert plan["first_bytes"] == plan["most_bytes"] == storage["key_frame_bytes"] == expected
    assert plan["settings"]["key_frames"] == key_frames
    plain = dfs(*words, "--overwrite").stdout
    assert f"{2 * key_frames} key frames, {key_frames}.00 per clip" in plain


def test_flags_without_effect_are_reported(dfs, tmp_path):
    outcome = dfs("condense", *SMALL, "--method", "random", "--epsilon", "0.1", "--out", tmp_path / "s.h5")
    assert "--batch-real, --epsilon" in outcome.stderr
    assert "which method random does not use" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--dataset", "nowhere"], 3, "neither a dataset"),
        (["--dataset", "miniucf"], 3, "DFS_DATA"),
        (["--vpc", "0"], 2, "--vpc must be at least 1"),
        (["--vpc", "101", "--init", "real"], 2, "--vpc 101 needs 101 real clips"),
        (["--vpc", "101", "--method", "random"], 2, "has only 100"),
        (["--frames", "1"], 2, "num_frames must be between 2"),
        (["--size", "42"], 2, "43 pixels"),
        (["--method", "magic"], 2, "must be one of dfs"),
        (["--device", "gpu"], 2, "auto, cpu, cuda"),
        (["--device", "cuda:99"], 2, "cuda:99"),
        (["--warmup", "0.9"], 2, "must not exceed 1"),
        (["--classes", "still,nonsense"], 2, "nonsense"),
        (["--out", "x.pt"], 2, ".zarr"),
        (["--out", "/proc/nowhere/x.zarr"], 2, "/proc/nowhere"),
        (["--config", "/nowhere.toml"], 2, "/nowhere.toml"),
        (["--nonsense"], 2, "nonsense"),
        (["--epsilon", "much"], 2, "--epsilon"),
        (["--lr", "1e30", "--iterations", "8"], 1, "diverged"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_bad_input_is_refused_with_its_code_and_leaves_no_files(
    dfs, tmp_path, monkeypatch, words, code, said
):
    monkeypatch.delenv("DFS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    outcome = dfs("condense", *SMALL, "--out", "s.zarr", *words)
    assert outcome.code == code, outcome.stderr
    assert said in " ".join(outcome.stderr.split())
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    # A run that diverged leaves its log, so that the user can see how.
    assert {path.name for path in tmp_path.iterdir()} <= {"s.zarr.events.jsonl"}
    assert said == "diverged" or not list(tmp_path.iterdir())


def test_an_existing_output_is_refused(dfs, tmp_path):
    out = tmp_path / "s.zarr"
    assert dfs("condense", *SMALL, "--method", "random", "--out", out).code == 0
    before = sorted(p.name for p in tmp_path.rglob("*"))
    outcome = dfs("condense", *SMALL, "--method", "random", "--out", out)
    assert outcome.code == 2
    assert "--overwrite" in outcome.stderr
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    assert dfs("condense", *SMALL, "--method", "random", "--seed", "1", "--out", out, "--overwrite").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.zarr", "s.zarr.events.jsonl"]


def test_a_missing_flag_is_named_with_the_whole_command(dfs):
    outcome = dfs("condense", "--dataset", "moving-shapes", "--out", "x.zarr")
    assert outcome.code == 2
    assert "--vpc is missing" in outcome.stderr
    assert "dfs condense --dataset NAME|FOLDER|LIST --vpc N --out STORE" in outcome.stderr


def test_settings_come_from_a_file_and_flags_win(dfs, tmp_path):
    file = tmp_path / "run.toml"
    # With a byte order mark, as written by editors on Windows.
    file.write_text(
        '\ufeffdataset = "moving-shapes"\nvpc = 3\nbatch-real = 7\nlr = 2.5\nclasses = ["still"]\n'
    )
    out = tmp_path / "s.zarr"
    plan = dfs("condense", "--config", file, "--vpc", "2", "--out", out, "--dry-run", "--json").document
    assert plan["settings"]["vpc"] == 2
    assert plan["settings"]["batch_real"] == 7
    assert plan["settings"]["lr"] == 2.5
    assert plan["settings"]["classes"] == ["still"]
    file.write_text("speed = 3\n")
    outcome = dfs("condense", "--config", file, "--out", out)
    assert outcome.code == 2
    assert "unknown setting 'speed'" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "vpc = "),
        ("a.json", "[1]"),
        ("a.toml", "[run]\nvpc = 1\n"),
        ("a.toml", f"a = {'[' * 5000}{']' * 5000}"),
        ("a.json", "[" * 100_000),
    ],
    ids=["no value", "list", "section", "deep TOML", "deep JSON"],
)
def test_an_invalid_settings_file_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match="--config"):
        read_settings_file(str(tmp_path / name))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "pack", "--key-frames", "99"], "--key-frames must be between 1 and 4"),
        (["--method", "random", "--key-frames", "5"], "--key-frames must be between 1 and 4"),
        (["--method", "herding", "--key-frames", "0"], "--key-frames must be at least 1"),
        (["--method", "pack", "--budget", "2KB"], "allows 0 key frames"),
        (["--hold-out", "0.999", "--vpc", "9", "--method", "random"], "class 'still' has only 1"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_a_dry_run_refuses_the_same_settings_as_the_run(dfs, tmp_path, words, said, dry):
    outcome = dfs("condense", *SMALL, *words, *dry, "--out", tmp_path / "s.zarr")
    assert outcome.code == 2
    assert said in " ".join(outcome.stderr.split())
    assert not list(tmp_path.iterdir())


def test_sigterm_stops_a_method_without_steps_at_once():
    import signal

    from dfs_store.cli._exit_codes import TerminatedError
    from dfs_store.cli.shown.condense_progress import CondenseProgress

    from dfs_store.condense import CondenseConfig, RunStarted

    settings = CondenseConfig(out="x.zarr", dataset="moving-shapes", vpc=1, method="herding")
    with CondenseProgress(settings, lambda event: None, quiet=True) as progress:
        progress.on_event(RunStarted(0, 0, 2, "cpu"))
        with pytest.raises(TerminatedError):
            signal.raise_signal(signal.SIGTERM)


def test_a_run_keeps_its_log_and_prints_a_summary(dfs, tmp_path):
    out = tmp_path / "s.zarr"
    outcome = dfs("condense", *SMALL, "--iterations", "5", "--out", out, "--watch", "0,1")
    assert outcome.code == 0, outcome.stderr
    assert "steps     warm-up 0-0, insertion 1-3, cool-down 4-4" in outcome.stderr
    assert "loss " in outcome.stdout
    assert f"dfs preview {out} --out {tmp_path / 's'}.png" in outcome.stdout
    kinds = [line["event"] for line in read_events(event_log_path(out))]
    assert kinds == ["run_started", *["step_done"] * 5, "checkpoint_saved", "store_written"]
    done = dfs("preview", out, "--kind", "cosine", "--clip", "1", "--out", tmp_path / "c.png")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--watch", "one"), "--watch must be clip numbers"),
        (("--watch", "-1"), "--watch must contain clip numbers"),
        (("--track", "tensorbord"), "Did you mean 'tensorboard'?"),
    ],
)
def test_invalid_watch_and_track_values_are_refused(dfs, tmp_path, words, message):
    outcome = dfs("condense", *SMALL, "--out", tmp_path / "s.zarr", *words)
    assert outcome.code == 2
    assert message in outcome.stderr
