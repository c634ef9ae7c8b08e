"""The site is built without warnings and without a network, and can be read without a network."""

import inspect
import os
import re
import subprocess
import sys

import pytest
import typer
from dfs_store.cli import app

from tests import no_network
from tests.docs.pages import ROOT

pytest.importorskip("mkdocs", reason="MkDocs is not installed: pip install 'dfs-store[docs]'")
pytest.importorskip("material", reason="the theme is not installed: pip install 'dfs-store[docs]'")

BUILD = """
import runpy, sys
from tests.no_network import SUPPORTED, forbid_sockets
if SUPPORTED:
    forbid_sockets()
sys.argv[0] = "mkdocs"
runpy.run_module("mkdocs", run_name="__main__")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", folder],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


def test_every_page_is_there(site):
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert pages <= built


def test_every_snippet_is_included(site):
    for page in site.rglob("*.html"):
        text = re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8"))
        assert not re.search(r"--8\s*(?:&lt;|<)\s*--", text), page


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]*src=\"?(?:https?:)?//[^>]*>", text), page
        assert not re.findall(r"<link[^>]*(?:stylesheet|preconnect|icon)[^>]*href=\"?(?:https?:)?//", text), (
            page
        )
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()[\"' ]*(?:https?:)?//", sheet.read_text(encoding="utf-8")), (
            sheet
        )


def test_the_search_works_in_files(site):
    assert (site / "search" / "search_index.js").exists()
    assert 'src="assets/iframe-worker.js"' in (site / "index.html").read_text(encoding="utf-8")


def test_the_command_line_is_the_program_s(site):
    text = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        assert f'id="dfs-{name}"' in text
        for parameter in command.params:
            assert parameter.opts[0] in text or parameter.human_readable_name in text


def test_the_reference_has_every_public_name(site):
    import dfs_store

    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    for module in (dfs_store, dfs_store.condense, dfs_store.evaluate, dfs_store.testing):
        for name in module.__all__:
            if not inspect.ismodule(getattr(module, name)):
                inside = module.__name__.replace(".", r"\.")
                assert re.search(rf'id="{inside}[\w.]*\.{name}"', text), f"{module.__name__}.{name}"


def test_the_filter_is_the_one_that_ends_processes():
    if not no_network.SUPPORTED:
        pytest.skip("no filter of system calls here")
    code = BUILD.partition("sys.argv[0]")[0] + "import socket\nsocket.socket()"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode < 0
