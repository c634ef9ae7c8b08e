"""The HTML of stores and datasets in a notebook."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dfs_store import DFSDataset, StoreWriter, open_store
from tests.cli.conftest import write_store


def pictures(html):
    for data in re.findall(r'src="data:image/png;base64,([^"]+)"', html):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            yield image.size


def test_a_store_and_a_dataset_show_a_contact_sheet(tmp_path):
    path = write_store(tmp_path / "s.zarr")
    with open_store(path) as store:
        html = store._repr_html_()
    assert "3 clips of 8 frames, 8 key frames" not in html  # 2 + 3 + 4 are nine
    assert "9 key frames" in html
    assert len(list(pictures(html))) == 2  # one for light and one for dark pages
    html = DFSDataset(path)._repr_html_()
    assert "Number of datapoints: 3" in html
    assert "Dataset DFSDataset" in html
    assert len(list(pictures(html))) == 2


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<body>", "dfs-light"),
        ('<body data-jp-theme-light="true">', "dfs-light"),
        ('<body data-jp-theme-light="false">', "dfs-dark"),
        ('<body class="vscode-dark">', "dfs-dark"),
        ('<body data-theme="dark">', "dfs-dark"),
    ],
)
def test_the_sheet_follows_the_theme_of_the_notebook(tmp_path, page, shown):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with open_store(write_store(tmp_path / "s.zarr")) as store:
        (tmp_path / "page.html").write_text(page + store._repr_html_())
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto((tmp_path / "page.html").as_uri())
        assert opened.locator("img:visible").evaluate_all("all => all.map(one => one.className)") == [shown]
        browser.close()


def test_a_notebook_needs_only_open_store(tmp_path):
    write_store(tmp_path / "s.zarr")
    code = "from dfs_store.format import open_store; print(open_store('s.zarr')._repr_html_())"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert len(list(pictures(shown.stdout))) == 2


def test_names_in_a_store_are_escaped(tmp_path):
    path = tmp_path / "<b>.h5"
    with StoreWriter(path, num_frames=4, frame_shape=(1, 4, 4), class_names=["<script>"]) as writer:
        writer.append(np.zeros((2, 1, 4, 4), np.float32), [0, 3], 0)
    with open_store(path) as store:
        html = store._repr_html_()
    assert "<b>" not in html
    assert "<script>" not in html


def test_a_damaged_store_shows_its_error(tmp_path):
    path = write_store(tmp_path / "s.zarr")
    (shard,) = (file for file in (path / "key_frames").rglob("c*") if file.is_file())
    data = bytearray(shard.read_bytes())
    data[5] ^= 255
    shard.write_bytes(data)
    with open_store(path) as store:
        html = store._repr_html_()
    assert "does not match its checksum" in html
    assert not list(pictures(html))
