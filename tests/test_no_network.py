"""Nothing opens a network socket, from decoding to training, and no file can specify code to run."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.no_network import SUPPORTED
from tests.videos.making import make_folder

ROOT = Path(__file__).parent.parent
needs_filter = pytest.mark.skipif(not SUPPORTED, reason="needs Linux's seccomp on x86_64 or aarch64")


def without_network(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "tests.no_network", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "DFS_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_filter
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_the_filter_ends_whoever_opens_a_socket(tmp_path, family):
    # else the test below could not fail
    done = without_network("python", f"import socket; socket.socket(socket.{family})", folder=tmp_path)
    assert done.returncode == -signal.SIGSYS
    assert without_network("python", "import socket; socket.socketpair()", folder=tmp_path).returncode == 0


@needs_filter
def test_no_command_opens_a_socket(tmp_path):
    make_folder(tmp_path / "videos" / "train", clips=3, frames=16)
    make_folder(tmp_path / "videos" / "test", clips=1, frames=16)
    store, sampling = tmp_path / "s.zarr", ["--frames", 6, "--size", 43, "--stride", 1]
    short = ["--vpc", 1, "--iterations", 2, "--lr", 1, "--batch-real", 2]
    for command in (
        ["--version"],
        ["datasets", "list"],
        ["datasets", "prepare", tmp_path / "videos", *sampling, "--part", "train", "-q"],
        ["condense", "--dataset", tmp_path / "videos", "--out", store, *sampling, *short, "-q"],
        ["inspect", store],
        ["verify", store],
        ["repair", store, tmp_path / "r.h5"],
        ["convert", store, tmp_path / "c.h5", "--dtype", "float16"],
        ["merge", store, tmp_path / "c.h5", tmp_path / "m.zarr"],
        ["export", store, "--to", "huggingface", "--out", tmp_path / "hub"],
        ["import", tmp_path / "hub", tmp_path / "i.zarr"],
        ["evaluate", store, "--dataset", tmp_path / "videos", "--epochs", 1, "--runs", 1, "-q"],
    ):
        done = without_network("dfs", *command, folder=tmp_path)
        assert done.returncode == 0, (command, done.returncode, done.stderr)


TRAINING = """
import sys
from dfs_store import DFSDataset, DFSLoader
from torch.utils.data import DataLoader
if __name__ == "__main__":
    dataset = DFSDataset(PATH)
    for batches in (DFSLoader(dataset, 2), DataLoader(dataset, 2, num_workers=2), DataLoader(dataset, 2)):
        assert sum(len(labels) for _, labels in batches) == len(dataset)
"""


@needs_filter
@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_no_loader_opens_a_socket(tmp_path, suffix):
    from tests.loaders.stores import write_store

    path = write_store(tmp_path / f"s.{suffix}")
    done = without_network("python", TRAINING.replace("PATH", repr(str(path))), folder=tmp_path)
    assert done.returncode == 0, done.stderr


SOURCES = sorted([*(ROOT / "dfs_store").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}


def unsafe(tree):
    """Yields the parts of a source that could run code specified in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.split(".")[0] in FORBIDDEN_MODULES)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            # An error's name is harmless.
            yield from (each.name for each in node.names if not each.name.endswith("Error"))
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        options = {each.arg: ast.unparse(each.value) for each in node.keywords}
        if name in ("eval", "exec"):
            yield name
        if name == "torch.load" and options.get("weights_only") != "True":
            yield "torch.load without weights_only=True"
        if options.get("allow_pickle", "False") != "False":
            yield f"{name} with allow_pickle"


def test_no_source_loads_pickles():
    found = {str(file.relative_to(ROOT)): list(unsafe(ast.parse(file.read_text()))) for file in SOURCES}
    assert len(found) > 100
    assert not {file: calls for file, calls in found.items() if calls}


def test_unsafe_code_is_seen():
    for text in (
        "import pickle",
        "torch.load(f)",
        "np.load(f, allow_pickle=True)",
        "from pickle import loads",
        "eval(x)",
    ):
        assert list(unsafe(ast.parse(text))), text
    assert list(unsafe(ast.parse("torch.load(f, weights_only=True); np.load(f, allow_pickle=False)"))) == []
