"""The README: its product lines exist, its Python runs, its set-up lines are those that CI types."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import write_store

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    write_store(tmp_path / "shapes.zarr", num_clips=6)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("6 (3, 8, 6, 5) a")


def test_both_set_up_lines_install_by_themselves():
    lines = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(lines) == 2
    assert "dfs condense --dataset moving-shapes --vpc 1 --out shapes.zarr" in lines[0]
    assert lines[0].endswith("dfs inspect shapes.zarr")
    assert lines[1].endswith("pytest")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_no_leftovers_of_a_build_are_tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not re.search(r"\.egg-info|__pycache__|\.venv|\.avi$|\.mp4$", files)
