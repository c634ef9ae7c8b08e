"""Runs `dfs` for benchmarks that condense and evaluate many stores, and can be stopped and continued."""

import json
import os
import subprocess
import sys
from pathlib import Path


def dfs(*words: str) -> None:
    """Runs a command, for which the modules of this folder can be imported."""
    print("+ dfs", *words, flush=True)
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "dfs_store.cli", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths})


def condensed(path: Path, *words: str) -> Path:
    """Returns the path of a store; condenses it if it does not exist yet."""
    if not path.exists():
        dfs("condense", *words, "--out", str(path), "--resume", "-q")
    return path


def evaluated(file: Path, source: Path | str, *words: str) -> dict:
    """Returns the result in a file; evaluates `source`, a store or "whole", if there is none yet."""
    if not file.exists():
        part = file.with_suffix(".part.json")
        dfs("evaluate", str(source), *words, "--results", str(part), "--overwrite", "-q")
        part.rename(file)
    return json.loads(file.read_text())
