"""Pipes, devices, links and foreign files in places where a command expects its own files."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import zarr

from dfs_store import open_store
from dfs_store.condense.runtime.event_log import read_events
from tests.attacks.commands import run
from tests.cli.conftest import write_store

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    write_store(tmp_path / "s.h5")
    return tmp_path


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_results_beside_a_store_are_regular_files(here, kind):
    place = here / "s.h5.eval.json"
    makers = {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}
    makers[kind](place)
    assert run("report", "s.h5", "--out", "r.html", seconds=20).code == 0
    ran = run("table", here, seconds=20)
    assert (ran.code, "no results of `dfs evaluate`" in ran.stderr or "cannot be read" in ran.stderr) in [
        (2, True),
        (3, True),
    ]


@pytest.mark.parametrize(
    "content",
    ['{"schema": "dfs.evaluate/1", "passes": 1e999}', DEEP, '{"schema": "dfs.evaluate/1", "runs": "\\ud800"}',
     json.dumps({"schema": "dfs.evaluate/1", "elapsed_seconds": 10**400})],
    ids=["endless", "deep", "surrogate", "long"],
)  # fmt: skip
def test_a_malicious_result_is_reported_or_skipped(here, content):
    (here / "s.h5.eval.json").write_text(content)
    assert run("report", "s.h5", "--out", "r.html").code == 0
    for words in (
        ("table", "s.h5.eval.json"),
        ("report", "s.h5", "--results", "s.h5.eval.json", "--out", "q.html"),
    ):
        ran = run(*words)
        assert ran.code == 3
        assert "s.h5.eval.json" in ran.stderr


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_settings_may_come_through_a_pipe(here, suffix):
    os.mkfifo(here / f"c{suffix}")
    text = "vpc = 0" if suffix == ".toml" else '{"vpc": 0}'
    with subprocess.Popen(["sh", "-c", f"echo '{text}' > c{suffix}"]):
        ran = run(
            "condense", "--config", f"c{suffix}", "--dataset", "moving-shapes", "--out", "o.zarr", seconds=40
        )
    assert (ran.code, "--vpc must be at least 1, got 0" in ran.stderr) == (2, True), ran.stderr
    (here / f"d{suffix}").write_text("a = " * (suffix == ".toml") + DEEP)
    for file in ("/dev/zero", f"d{suffix}"):
        ran = run("condense", "--config", file, "--dataset", "moving-shapes", "--out", "o.zarr", seconds=40)
        assert (ran.code, "cannot be read as" in ran.stderr) == (2, True), ran.stderr


ENTRIES = {
    "deep": {"request.json": DEEP},
    "numbers": {"request.json": '{"files": 5, "sampling": 3}'},
    "index": {
        "request.json": '{"files": [], "decoding": [1]}',
        "index.json": '{"version": 3, "shape": [1e999]}',
    },
    "types": {
        "request.json": '{"files": []}',
        "index.json": '{"version": 3, "shape": ["a", {}], "failed": 7}',
    },
    "long": {"request.json": '{"files": []}', "index.json": '{"version": 3, "shape": [%s]}' % ("9" * 5000)},
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_invalid_cache_entry_does_not_hide_the_others(here, name):
    for directory, files in {"foreign": ENTRIES[name], "mine": {"request.json": '{"files": []}'}}.items():
        (here / "cache" / directory).mkdir(parents=True)
        for file, text in files.items():
            (here / "cache" / directory / file).write_text(text)
    ran = run("datasets", "cache", "--json")
    assert ran.code == 0, ran.stderr
    assert "mine" in {entry["key"] for entry in json.loads(ran.stdout)["entries"]}


@pytest.mark.parametrize("file", ["request.json", "index.json", "clips.npy", "frames.npy", "lock"])
def test_a_pipe_in_a_cache_entry_is_not_waited_for(here, file):
    entry = here / "cache" / "a"
    entry.mkdir(parents=True)
    (entry / "request.json").write_text('{"files": []}')
    (entry / file).unlink(missing_ok=True)
    os.mkfifo(entry / file)
    assert run("datasets", "cache", seconds=20).code == 0


def test_a_cache_entry_that_is_a_link_is_left_alone(here):
    other = here / "other"
    other.mkdir()
    (other / "request.json").write_text('{"files": []}')
    (here / "cache").mkdir()
    (here / "cache" / "link").symlink_to(other)
    (here / "cache" / "extractors").mkdir()
    (here / "cache" / "extractors" / "old.pt").symlink_to(other / "request.json")
    assert run("datasets", "cache", "--remove-all").code == 0
    assert run("datasets", "cache", "--remove", "link").code == 3
    assert (other / "request.json").read_text() == '{"files": []}'


def test_the_part_of_a_dead_writer_that_is_a_link_is_left_alone(here):
    other = here / "other"
    (other / "new.h5").mkdir(parents=True)
    (other / "lock").touch()
    link = here / ".o.h5.0123abcd.partial"
    link.symlink_to(other)
    inside = here / ".o.h5.4567abcd.partial"
    inside.mkdir()
    (inside / "lock").symlink_to(other / "lock")
    (inside / "new.h5").symlink_to(other)
    assert run("convert", "s.h5", "o.h5").code == 0
    assert link.is_symlink()
    assert sorted(path.name for path in other.iterdir()) == ["lock", "new.h5"]


@pytest.mark.parametrize("words", [("report",), ("preview",), ("convert",)], ids=lambda words: words[0])
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_an_output_that_is_not_a_file_is_never_replaced(here, words, kind):
    name = {"report": "o.html", "preview": "o.png", "convert": "o.h5"}[words[0]]
    (os.mkfifo if kind == "pipe" else os.mkdir)(here / name)
    out = [name] if words[0] == "convert" else ["--out", name]
    ran = run(words[0], "s.h5", *out, "--overwrite", seconds=20)
    assert ran.code == 2
    assert "add --overwrite" not in ran.stderr
    assert not (here / name).is_file()


def _group(path):
    zarr.create_group(path, attributes={"mine": 1}).create_array("x", shape=(3,), dtype="i4")


def _foreign_root(path):
    path.mkdir()
    (path / "zarr.json").write_text('{"attributes": {}}')
    (path / "thesis.txt").write_text("years of work")


@pytest.mark.parametrize("make", [_group, _foreign_root])
@pytest.mark.parametrize("command", [("convert", "s.h5", "o.zarr"), ("repair", "s.h5", "o.zarr")])
def test_a_foreign_zarr_folder_is_never_replaced(here, make, command):
    make(here / "o.zarr")
    before = sorted(path.relative_to(here) for path in (here / "o.zarr").rglob("*"))
    ran = run(*command, "--overwrite")
    assert (ran.code, "is not a store" in ran.stderr) == (2, True), ran.stderr
    assert sorted(path.relative_to(here) for path in (here / "o.zarr").rglob("*")) == before


@pytest.mark.parametrize("suffix", [".h5", ".zarr.zip"])
def test_a_foreign_file_is_never_replaced(here, suffix):
    import zipfile

    import h5py

    path = here / f"o{suffix}"
    if suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["x"] = [1, 2, 3]
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("zarr.json", '{"zarr_format": 3, "node_type": "group"}')
    before = path.read_bytes()
    ran = run("convert", "s.h5", path.name, "--overwrite")
    assert (ran.code, "is not a store" in ran.stderr) == (2, True), ran.stderr
    assert path.read_bytes() == before


def through_a_pipe(words, flag, text):
    """Runs a command that reads a file from `flag <(...)`, as a shell would."""
    receive, send = os.pipe()
    os.write(send, text.encode())
    os.close(send)
    try:
        command = [sys.executable, "-m", "dfs_store.cli", *words, flag, f"/dev/fd/{receive}"]
        return subprocess.run(command, pass_fds=(receive,), capture_output=True, text=True, timeout=60)
    finally:
        os.close(receive)


@pytest.mark.parametrize(
    ("flag", "text"),
    [("--labels", "b\na\n"), ("--labels", "1\n0\n"), ("--classes", "b\na\n")],
    ids=["names", "numbers", "classes"],
)
def test_labels_and_classes_may_come_through_a_pipe(here, flag, text):
    labels = {} if flag == "--labels" else {"labels": [0, 1]}
    np.savez("c.npz", clips=np.zeros((2, 2, 3, 4, 4), np.float32), **labels)
    ran = through_a_pipe(["import", "c.npz", "o.zarr"], flag, text)
    assert ran.returncode == 0, ran.stderr
    with open_store("o.zarr") as store:
        named = [store.class_names[label] for label in store.labels]
    assert named == {"1\n0\n": ["class_1", "class_0"]}.get(text, ["b", "a"])


def test_events_may_come_through_a_pipe():
    receive, send = os.pipe()
    os.write(send, b'{"event": "step", "step": 3}\n')
    os.close(send)
    try:
        assert read_events(f"/dev/fd/{receive}", named=True) == [{"event": "step", "step": 3}]
    finally:
        os.close(receive)
