"""The example scripts run unchanged on a tiny store, without connecting to a network."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loaders.stores import write_store

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{EXAMPLES}"}
# Runs scripts in a process that ends where it connects to a network, or asks for the address of a host.
# (Opening a socket is not enough: HTTP libraries try out, as they are imported, whether there is IPv6.)
WATCHED = """
import json, os, runpy, sys

def watch(event, arguments):
    if event == "socket.connect" and not isinstance(arguments[1], tuple):
        return  # a file: the processes of a DataLoader talk so
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("NETWORK:", event, arguments, file=sys.stderr, flush=True)
        os._exit(99)

sys.addaudithook(watch)
for words in json.loads(sys.argv[1]):
    sys.argv = words
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        print("left:", end)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """12 clips of 8x16x16, three classes."""
    path = tmp_path_factory.mktemp("examples") / "tiny.zarr"
    return write_store(path, counts=(2, 3, 4) * 4, frame_shape=(3, 16, 16))


def run(words, folder, again_after=None):
    """Runs a program and returns its output. Runs it again if it failed with the given message."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=200,
    )
    if done.returncode and again_after is not None and again_after in done.stderr:
        return run(words, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def watched(*calls, then=""):
    """The words that run scripts one after the other in one process: imports take most of the time."""
    scripts = [[str(EXAMPLES / script), *map(str, words)] for script, *words in calls]
    return ["-c", WATCHED + then, json.dumps(scripts)]


def test_torchvision(store, tmp_path):
    words = ["--model", "mc3_18", "--frames", 4, "--size", 24, "--steps", 2, "--batch-size", 4]
    said = run(watched(["train_torchvision.py", store, *words]), tmp_path)
    assert re.search(r"step 2: clips \(4, 3, 4, 24, 24\), loss \d", said)


def test_videomae(store, tmp_path):
    works = ["train_videomae.py", store, "--steps", 2, "--batch-size", 4]
    said = run(watched(works, ["train_videomae.py", store, "--frames", 5]), tmp_path)
    assert re.search(r"step 2: clips \(4, 8, 3, 16, 16\), loss \d", said)
    assert "left: VideoMAE needs an even number of square frames" in said
    assert "but the clips are 5x16x16; change --patch-size or --frames" in said


def test_distributed(store, tmp_path):
    """Under torchrun, each of two processes receives half of every epoch, with either loader."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    words = [*torchrun, EXAMPLES / "distributed.py", store, "--loader", "dfs", "torch"]
    # How a thread of gloo ended a process now and then, with all work done (2 of 30 runs, torch 2.14).
    said = run(words, tmp_path, again_after="terminate called without an active exception")
    lines = re.findall(r"(dfs|torch): rank (\d), epoch (\d): (\d+) of 12 clips, loss \d", said)
    assert sorted(lines) == [
        (loader, rank, epoch, "6") for loader in ("dfs", "torch") for rank in "01" for epoch in "01"
    ]


def test_stateful(store, tmp_path):
    said = run(watched(*(["stateful.py", store, "--workers", workers] for workers in (0, 2))), tmp_path)
    assert said == "after 3 batches: 3 left, the same\n" * 2


RESUMED = """
import lightning as L, torch
from lightning_datamodule import StoreDataModule

class Recorder(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(1)), []
    def training_step(self, batch, number):
        self.seen.append(batch[0].sum().item())
        return self.weight.sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def fit(steps, **options):
    model = Recorder()
    quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer = L.Trainer(max_steps=steps, accelerator="cpu", enable_checkpointing=False, **quiet)
    trainer.fit(model, StoreDataModule({store!r}, 2), **options)
    return model.seen, trainer

whole, _ = fit(14)
assert len(whole) == 14 and whole[:6] != whole[6:12] and sorted(whole[:6]) != sorted(whole[6:12])
for stop in (4, 6):  # in the middle of an epoch of 6 batches, and at its end
    before, trainer = fit(stop)
    trainer.save_checkpoint("stopped.ckpt")
    after, _ = fit(14, ckpt_path="stopped.ckpt")
    assert before + after == whole, (stop, before, after, whole)
print("the same")
"""


def test_lightning(store, tmp_path):
    """The script trains. Every epoch has its own order, which a checkpoint within the epoch resumes."""
    train = ["train_lightning.py", store, "--steps", 7, "--batch-size", 2]
    said = run(watched(train, then=RESUMED.format(store=str(store))), tmp_path)
    assert re.search(r"7 steps, loss \d\.\d{3}\n", said)
    assert said.strip().endswith("the same")


def test_every_example_is_run_here():
    tested = Path(__file__).read_text(encoding="utf-8")
    for script in EXAMPLES.glob("*.py"):
        assert script.stem in tested, f"no test runs docs/examples/{script.name}"


@pytest.mark.parametrize(
    "code",
    ["socket.socket().connect(('127.0.0.1', 9))", "urllib.request.urlopen('http://localhost:9')"],
)
def test_who_connects_is_ended(code):
    done = subprocess.run(
        [sys.executable, *watched(then=f"import socket, urllib.request\n{code}")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 99
    assert "NETWORK: socket." in done.stderr
