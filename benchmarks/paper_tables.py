"""Runs the cells of one of the paper's tables on a dataset, and prints the table.

    python benchmarks/paper_tables.py --table 1 --dataset miniucf --root /data/ucf101 --out results/miniucf
    python benchmarks/paper_tables.py --table 6 --dataset moving-shapes --out results/shapes \
        --condense "--iterations 400 --batch-real 8" --evaluate "--epochs 100"

Tables: 1 accuracy by method and VPC; 2 key frames and storage of DFS by VPC; 3 as 1 with VPC 1 and 5 (top-5
on Kinetics-400 and Something-Something V2, which the dataset decides); 4 other networks; 5 initial key
frames; 6 ablations of the insertion.

One cell is one `dfs condense` and its `dfs evaluate`. What is there is not made again: a run that was stopped
goes on where it was, inside a cell from its checkpoint. A cell that fails is named, and the others go on.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dfs_store.evaluate.published import metric_of, published
from dfs_store.evaluate.result import accuracy_text

DFS = (sys.executable, "-m", "dfs_store.cli")
METHODS = ("random", "herding", "k-center", "dm", "static-dynamic", "dfs")
OURS = {"pack": "--key-frames 2"}  # not in the paper; made when named, with these flags
INITIAL_KEY_FRAMES = {2: (17.9, 7.5), 3: (17.3, 6.8), 4: (17.0, 6.6), 6: (15.5, 6.1), 8: (15.3, 5.6)}
# Flags, and the paper's accuracy on MiniUCF and HMDB51.
ABLATIONS = {
    "dfs": ("", (17.9, 7.5)),
    "A no insertion": ("--no-insertion", (15.8, 6.1)),
    "B random position": ("--selection random", (16.8, 6.8)),
    "C L2": ("--metric l2", (None, 6.0)),
    "D no warm-up": ("--warmup 0", (None, 6.8)),
    "D no cool-down": ("--cooldown 0", (None, 6.3)),
}
CROSS_ARCHITECTURE = {
    ("dm", "convnet3d"): 15.3, ("dm", "cnn-gru"): 9.9, ("dm", "cnn-lstm"): 9.2,
    ("static-dynamic", "convnet3d"): 17.5, ("static-dynamic", "cnn-gru"): 12.0,
    ("static-dynamic", "cnn-lstm"): 10.3,
    ("dfs", "convnet3d"): 17.9, ("dfs", "cnn-gru"): 18.9, ("dfs", "cnn-lstm"): 18.2,
}  # fmt: skip
PAPER_DATASETS = ("miniucf", "hmdb51")


@dataclass(frozen=True)
class Cell:
    """One store and one evaluation of it.

    Attributes:
        label: the row's name.
        method, vpc, flags: of `dfs condense`.
        model: of `dfs evaluate`; None for storage alone.
        paper: the paper's accuracy, None where it gives none.
    """

    label: str
    method: str
    vpc: int
    flags: str = ""
    model: str | None = "convnet3d"
    paper: float | None = None

    @property
    def store(self):
        words = [self.method, f"vpc{self.vpc}", *self.flags.replace("--", "").split()]
        return "-".join(words) + ".zarr"


def cells_of(table, dataset, vpcs, methods):
    if table in (1, 3):
        for vpc in vpcs or ((1, 5, 10) if table == 1 else (1, 5)):
            for method in methods or METHODS:
                cell = published(dataset, method, vpc)
                accuracy, flags = cell.accuracy if cell else None, OURS.get(method, "")
                yield Cell(
                    " ".join([f"{method}, VPC {vpc}", flags]).strip(), method, vpc, flags, paper=accuracy
                )
    elif table == 2:
        for vpc in vpcs or (1, 5, 10):
            yield Cell(f"dfs, VPC {vpc}", "dfs", vpc, model=None)
    elif table == 4:
        for (method, model), accuracy in CROSS_ARCHITECTURE.items():
            known = accuracy if dataset == "miniucf" else None
            yield Cell(f"{method}, {model}", method, 1, model=model, paper=known)
    elif table == 5:
        for number, accuracies in INITIAL_KEY_FRAMES.items():
            flags = "" if number == 2 else f"--initial-key-frames {number}"
            yield Cell(f"{number} initial key frames", "dfs", 1, flags, paper=of_paper(dataset, accuracies))
    else:
        for label, (flags, accuracies) in ABLATIONS.items():
            yield Cell(label, "dfs", 1, flags, paper=of_paper(dataset, accuracies))


def of_paper(dataset, accuracies):
    return accuracies[PAPER_DATASETS.index(dataset)] if dataset in PAPER_DATASETS else None


def run(words, log):
    """Runs a command of dfs, showing it; returns whether it went well."""
    print("+ dfs", shlex.join(words), flush=True)
    with log.open("a") as file:
        file.write(f"+ dfs {shlex.join(words)}\n")
        file.flush()
        return subprocess.run([*DFS, *words], stdout=file, check=False).returncode


def make(cell, arguments):
    """Makes what is not there of a cell; returns the number that ended it early, else None."""
    store, log = arguments.out / cell.store, arguments.out / "log.txt"
    source = ["--dataset", arguments.dataset, *(["--root", arguments.root] if arguments.root else [])]
    if not store.exists():
        words = ["--vpc", str(cell.vpc), "--method", cell.method, "--out", str(store), "--resume"]
        flags = shlex.split(arguments.condense) + shlex.split(cell.flags)
        if code := run(["condense", *source, *words, *flags], log):
            return code
    if cell.model is not None and not result_file(cell, arguments).exists():
        words = [str(store), *source, "--model", cell.model, "--results", str(result_file(cell, arguments))]
        if code := run(["evaluate", *words, *shlex.split(arguments.evaluate)], log):
            return code
    return None


def result_file(cell, arguments):
    flags = "".join(shlex.split(arguments.evaluate)).replace("--", "-").replace("/", "_")
    return arguments.out / f"{cell.store}.{cell.model}{flags}.json"


def row(cell, arguments):
    inspected = subprocess.run(
        [*DFS, "inspect", str(arguments.out / cell.store), "--json"], capture_output=True, check=True
    )
    content = json.loads(inspected.stdout)
    accuracy = "-"
    if cell.model is not None:
        score = json.loads(result_file(cell, arguments).read_text())[metric_of(arguments.dataset)]
        accuracy = accuracy_text(score["mean"], score["std"], len(score["runs"]))
    paper = "-" if cell.paper is None else f"{cell.paper:.1f}"
    storage = content["storage"]
    keys, size_bytes = f"{content['key_frames_per_clip']['mean']:.2f}", storage["float32_bytes"]
    if storage["native_bytes"] is not None:  # not made of key frames; they are there for other readers
        keys, size_bytes = "-", storage["native_bytes"]
    sizes = (size_bytes / 2**20, storage["on_disk_bytes"] / 2**20)
    return f"| {cell.label} | {accuracy} | {paper} | {keys} | {sizes[0]:.2f} | {sizes[1]:.2f} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=int, choices=range(1, 7), required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--root")
    parser.add_argument("--vpc", type=int, nargs="+", help="instead of the table's")
    parser.add_argument("--method", nargs="+", choices=(*METHODS, *OURS), help="of tables 1 and 3")
    parser.add_argument("--condense", default="", help="more flags of every dfs condense, in one word")
    parser.add_argument("--evaluate", default="", help="more flags of every dfs evaluate, in one word")
    parser.add_argument("--out", type=Path, required=True, help="folder of stores and results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cells = list(cells_of(arguments.table, arguments.dataset, arguments.vpc, arguments.method))
    started = time.monotonic()
    failed = {}
    for number, cell in enumerate(cells, start=1):
        print(f"cell {number} of {len(cells)}, {time.monotonic() - started:.0f} s: {cell.label}", flush=True)
        if code := make(cell, arguments):
            if code in (130, 143, -2, -15):
                sys.exit("stopped; the same command goes on from here")
            failed[cell.label] = code
    metric = metric_of(arguments.dataset).replace("top", "top-")
    print(f"\n**Table {arguments.table}, {arguments.dataset}** {arguments.condense} {arguments.evaluate}\n")
    print(f"| | {metric} % | paper % | key frames per clip | MiB (float32) | MiB on disk |")
    print("|---|---|---|---|---|---|")
    for cell in cells:
        print(f"| {cell.label} | failed | | | | |" if cell.label in failed else row(cell, arguments))
    for label, code in failed.items():
        print(f"{label}: exit code {code}, see {arguments.out / 'log.txt'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
