"""Runs the commands and programs on docs/exchange.md from top to bottom."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.exchange.exports.export import KINDS
from tests.exchange.making import pixels_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "exchange.md"
STEPS = re.compile(r"^    (dfs [^\n]*)$|^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_everything_on_the_page_runs(tmp_path, monkeypatch, capsys, dfs):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    printed = []
    for command, program in STEPS.findall(DOCUMENT.read_text(encoding="utf-8")):
        if command:
            outcome = dfs(*shlex.split(command)[1:])
            assert outcome.code == 0, (command, outcome.stderr)
            printed.append(outcome.stdout)
        else:
            exec(compile(program, "exchange.md", "exec"), {})
            shown = [line.partition("# ")[2] for line in program.splitlines() if "print(" in line]
            assert capsys.readouterr().out.splitlines() == shown
    assert any("uint8: largest error" in text for text in printed)
    first, again = open_store("shapes.zarr"), open_store("again.zarr")
    for clip in range(len(first)):
        assert np.array_equal(pixels_of(again, clip), pixels_of(first, clip))
    assert open_store("synthetic.zarr").class_names == ["walk", "run"]


def test_every_format_and_encoding_is_in_the_table():
    text = DOCUMENT.read_text(encoding="utf-8")
    for kind, encodings in KINDS.items():
        assert f"| `{kind}` | {', '.join(f'`{each}`' for each in encodings)} |" in text


@pytest.mark.parametrize("command", ["convert", "merge", "export", "import"])
def test_every_flag_that_the_page_names_exists(dfs, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = dfs(command, "--help").stdout
    for line in re.findall(rf"^    dfs {command} (.*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE):
        assert all(flag in shown for flag in re.findall(r"--[a-z-]+", line))
