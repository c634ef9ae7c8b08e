"""The README: CI runs its set-up lines, and its links exist. CITATION.cff is for this version."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_both_set_up_lines_install_by_themselves():
    lines = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(lines) == 2
    assert "dfs condense --dataset stick-figures --vpc 2 --out figures.zarr" in lines[0]
    assert lines[0].endswith("dfs inspect figures.zarr")
    assert lines[1].endswith("pytest")


def test_it_is_as_long_as_somebody_reads():
    assert 500 <= len(README.split()) <= 700


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https:)([^)#]+)\)", README))))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_no_leftovers_of_a_build_are_tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    files = files.replace("docs/assets/making.mp4\n", "")
    assert not re.search(r"\.egg-info|__pycache__|\.venv|\.avi$|\.mp4$", files, re.MULTILINE)


def test_the_citation_is_of_this_version_and_names_both_papers():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"\nversion: {project['version']}\n" in text
    assert f"\nlicense: {project['license']}\n" in text
    for name in (author["name"] for author in project["authors"]):
        assert f"- name: {name}\n" in text
    assert "title: Condensing Videos by Learning Where Motion Matters\n" in text
    assert "https://arxiv.org/abs/2505.22564" in text
