"""Runs the README's commands, from a clone to pictures, a report and a trained model."""

import re
import shlex
from pathlib import Path

from PIL import Image

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
# Settings that make the README's commands finish in seconds; the rest is unchanged.
SHORTER = {
    "condense": "--iterations 5 --batch-real 2 --classes bowing,kicking,waving",
    "evaluate": "--batch-size 4 --protocol strict",
}


def lines_under(head):
    section = README.split(f"\n## {head}\n")[1].split("\n## ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def dfs_lines():
    """Returns the commands that a newcomer types, in the README's order."""
    (first,) = (line for line in lines_under("Try it") if "dfs condense" in line)
    typed = [part.strip().removeprefix(".venv/bin/") for part in first.split("&&")]
    typed += [line.partition("  #")[0] for line in lines_under("Look at it")]
    return [line for line in typed if line.startswith("dfs ")]


def test_the_readme_leads_to_a_sheet_a_film_a_report_and_a_trained_model(tmp_path, monkeypatch, capsys, dfs):
    monkeypatch.chdir(tmp_path)
    typed = dfs_lines()
    assert [line.split()[1] for line in typed] == [
        "condense", "inspect", "preview", "preview", "evaluate", "report",
    ]  # fmt: skip
    said = []
    for line in typed:
        words = shlex.split(line)[1:]
        done = dfs(*words, *SHORTER.get(words[0], "").split())
        assert done.code == 0, (line, done.stderr)
        said.append(done.stdout)
    assert "key frames per clip" in said[1]
    with Image.open(tmp_path / "figures.png") as sheet:
        assert sheet.width > 900
    assert (tmp_path / "figures.mp4").read_bytes()[4:8] == b"ftyp"
    assert "1 evaluation;" in said[5]
    evaluation = re.search(r'id="evaluation".*?</section>', (tmp_path / "figures.html").read_text(), re.S)[0]
    assert re.search(r"\d+\.\d", evaluation)
    # Every command that the run suggests exists.
    proposed = re.findall(r"(?:next: |      )dfs (\w+)", said[0])
    assert proposed == ["inspect", "preview", "report", "evaluate"]
    assert all(dfs(command, "--help").code == 0 for command in proposed)
    (python,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(python, "README.md", "exec"), names)
    assert capsys.readouterr().out.startswith("6 (8, 3, 48, 48) bowing")
    assert all(value.isfinite().all() for value in names["network"].state_dict().values())
