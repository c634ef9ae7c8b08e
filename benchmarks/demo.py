"""Makes the table of the README's demo: DFS on stick-figures and the controls, each with several seeds.

    python benchmarks/demo.py --out results/demo

Every row is condensed and evaluated by the commands that it prints, with `--protocol strict` and equal epochs
and learning rate. Finished parts are not repeated, so a run that was stopped can continue. The last part
prints the table: means over seeds, and the difference of DFS to every row, paired over seeds, with a 95 %
interval (Student's t over the seeds' means).
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from running import condensed, evaluated

# Quantile 0.975 of Student's t by degrees of freedom.
T_QUANTILE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        title: what is trained on.
        condense: flags of `dfs condense`; None for the whole dataset.
        evaluate: flags of `dfs evaluate` for this row only.
    """

    title: str
    condense: str | None
    evaluate: str = ""


def rows(arguments: argparse.Namespace) -> dict[str, Row]:
    vpc = arguments.vpc
    presented = (arguments.epochs + 1) * vpc * 8
    passes = math.ceil(presented / 800)
    return {
        "dfs": Row(f"DFS, VPC {vpc}", f"--vpc {vpc} --dtype float32 {arguments.condense}"),
        "equal-clips": Row("random at equal clips", f"--method random --vpc {vpc}"),
        "equal-frames": Row("random at equal frames", f"--method random {arguments.equal_frames}"),
        "still": Row("one still frame", "--method random --vpc 1 --key-frames 1"),
        "equal-passes": Row(f"all real clips, {passes} passes", None, f"--epochs {passes - 1}"),
    }


def measured(arguments: argparse.Namespace, name: str, row: Row, seed: int) -> dict:
    """Condenses and evaluates one seed of a row unless this is done. Returns the result."""
    data, source = ("--dataset", "stick-figures"), "whole"
    if row.condense is not None:
        store = arguments.out / f"{name}-{seed}.zarr"
        source = condensed(store, *data, *row.condense.split(), "--seed", str(seed))
    flags = f"--epochs {arguments.epochs} --lr {arguments.lr} --runs {arguments.runs} --protocol strict"
    flags += f" {row.evaluate} --seed {1000 * seed}"
    return evaluated(arguments.out / f"{name}-{seed}.json", source, *data, *flags.split())


def interval(differences: np.ndarray) -> float:
    """Returns half the width of the 95 % interval of a mean."""
    return T_QUANTILE[len(differences) - 1] * float(differences.std(ddof=1)) / math.sqrt(len(differences))


def table(arguments: argparse.Namespace, found: dict[str, list[dict]]) -> str:
    means = {name: np.array([one["top1"]["mean"] for one in results]) for name, results in found.items()}
    lines = [
        f"| trained on | key frames per class | bytes | top-1, {arguments.seeds} seeds | DFS is better by |",
        "|---|---|---|---|---|",
    ]
    for name, results in found.items():
        title = rows(arguments)[name].title
        stores = [one["storage"] for one in results if one["storage"]]
        frames = size = "all" if not stores else ""
        if stores:
            frames = f"{np.mean([s['num_key_frames'] for s in stores]) / 8:.2f}"
            size = f"{np.mean([s['key_frame_bytes'] for s in stores]):,.0f}"
        score = f"{means[name].mean():.1f} ± {means[name].std(ddof=1):.1f} %"
        difference = ""
        if name != "dfs" and "dfs" in means:
            gain = means["dfs"][: len(means[name])] - means[name][: len(means["dfs"])]
            difference = f"{gain.mean():+.1f} ± {interval(gain):.1f}"
        lines.append(f"| {title} | {frames} | {size} | {score} | {difference} |")
    return "\n".join(lines)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vpc", type=int, default=2)
    parser.add_argument("--condense", default="", help="more flags of DFS")
    parser.add_argument("--equal-frames", default="--vpc 2 --key-frames 2", help="flags of that row")
    parser.add_argument("--rows", nargs="+", help="only these")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.005)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    every = rows(arguments)
    chosen = {name: row for name, row in every.items() if name in (arguments.rows or every)}
    found = {
        name: [measured(arguments, name, row, seed) for seed in range(arguments.seeds)]
        for name, row in chosen.items()
    }
    print(table(arguments, found))


if __name__ == "__main__":
    main()
