"""Every page runs unchanged: its Python and `dfs` commands, in order, next to a copy of docs/assets."""

import re
import shlex
import shutil
import sys

import pytest
import torch
from dfs_store.cli import app
from typer.testing import CliRunner

from tests.docs.pages import PAGES, ROOT, blocks

# Run by tests of their own, which shorten what takes a minute or bring what a page begins with.
ELSEWHERE = {"README.md": "tests/cli/test_newcomer.py", "docs/exchange.md": "tests/exchange/test_document.py"}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def one_thread():
    """Uses one thread, as a second thread would only slow down such small clips."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Reader:
    """Runs a page from top to bottom, as a reader would type it."""

    def __init__(self, page, folder):
        self.page, self.folder, self.names, self.said = page, folder, {"__name__": page.stem}, ""

    def follow(self, block):
        if block.marker == "file":
            (self.folder / block.detail).write_text(block.text)
        elif block.marker == "output":
            self.compare(block)
        elif block.marker == "not run":
            assert block.detail, f"{self.at(block)}: why is it not run?"
        elif block.language == "python":
            code = compile("\n" * block.line + block.text, str(self.page), "exec")
            exec(code, self.names)
        elif block.language == "bash":
            for line in block.lines:
                self.type(line, block)

    def type(self, line, block):
        word, *words = shlex.split(line)
        assert word == "dfs", f"{self.at(block)}: only dfs commands are run; mark this one as not run"
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{self.at(block)}: {line}\n{result.output}\n{result.exception!r}"
        self.said = result.output

    def compare(self, block):
        """Checks that every word of the shown output is in the real one. Numbers depend on the machine."""
        for word in re.findall(r"[A-Za-z][\w-]+", block.text):
            assert word in self.said, f"{self.at(block)}: {word!r} is not in what the command prints"

    def at(self, block):
        return f"{self.page.relative_to(ROOT)}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs(page, tmp_path, monkeypatch, cache):
    shutil.copytree(ROOT / "docs" / "assets", tmp_path / "docs" / "assets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFS_CACHE", str(cache))
    monkeypatch.delenv("DFS_DEBUG", raising=False)
    monkeypatch.syspath_prepend(tmp_path)  # as `python` in that folder would
    modules = set(sys.modules)
    if name := ELSEWHERE.get(str(page.relative_to(ROOT))):
        assert (ROOT / name).is_file()
        pytest.skip(f"run by {name}")
    reader = Reader(page, tmp_path)
    for block in blocks(page):
        reader.follow(block)
    for module in set(sys.modules) - modules:  # a page's own files, which the next page may name alike
        if getattr(sys.modules[module], "__file__", None) and str(tmp_path) in sys.modules[module].__file__:
            del sys.modules[module]


def test_the_runner_notices_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "made-up.md"

    def follow(text):
        (tmp_path / "page.md").write_text(text)
        reader = Reader(page, tmp_path)
        for block in blocks(tmp_path / "page.md"):
            reader.follow(block)

    follow("```bash\ndfs --version  # a comment\n```\n\n<!-- output -->\n```text\ndfs-store 9.9\n```\n")
    with pytest.raises(AssertionError, match="'wrong' is not in what"):
        follow("```bash\ndfs --version\n```\n\n<!-- output -->\n```text\nwrong\n```\n")
    with pytest.raises(AssertionError, match=r"made-up\.md:2: dfs inspect"):
        follow("\n```bash\ndfs inspect nowhere.zarr\n```\n")
    with pytest.raises(ZeroDivisionError):
        follow("```python\n1 / 0\n```\n")
    with pytest.raises(AssertionError, match="mark this one"):
        follow("```bash\npip install x\n```\n")
    with pytest.raises(AssertionError, match="why"):
        follow("<!-- not run -->\n```bash\npip install x\n```\n")
