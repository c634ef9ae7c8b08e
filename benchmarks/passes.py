"""Measures accuracy against the cost of training: the number of clips that pass through the network.

    python benchmarks/passes.py --out results/passes --seeds 3

Each point is a training from scratch on a store or on all real clips, `--protocol strict`, lr 0.005. N epochs
are N + 1 passes. Finished parts are not repeated. The last part prints the table and draws `passes.png` from
all results.
"""

import argparse
from pathlib import Path

import numpy as np
from running import condensed, evaluated

STORES = {
    "DFS, 2 clips per class": "--method dfs --vpc 2 --encoding webp:10",
    "DFS, 4 clips per class": "--method dfs --vpc 4 --encoding webp:10",
    "random, 2 clips per class": "--method random --vpc 2 --encoding webp:10",
}
WHOLE = "all real clips"
EPOCHS = {WHOLE: (0, 2, 5, 14)} | dict.fromkeys(STORES, (12, 25, 50, 100, 200))


def result(arguments: argparse.Namespace, curve: str, epochs: int, seed: int) -> dict:
    name = curve.partition(" clips")[0].replace(", ", "-")
    data, source = ("--dataset", arguments.dataset), "whole"
    if curve != WHOLE:
        flags = (*STORES[curve].split(), "--seed", str(seed))
        source = condensed(arguments.out / f"{name}-{seed}.zarr", *data, *flags)
    how = f"--protocol strict --epochs {epochs} --lr {arguments.lr} --runs 1 --seed {1000 * seed}"
    return evaluated(arguments.out / f"{name}-{epochs}-{seed}.json", source, *data, *how.split())


def draw(curves: dict[str, list[tuple[int, np.ndarray]]], chance: float, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for curve, points in curves.items():
        passes, means = [each for each, _ in points], [scores.mean() for _, scores in points]
        axes.plot(passes, means, marker="o", markersize=4, label=curve)
    axes.axhline(chance, color="grey", linestyle=":", label="chance")
    axes.set(xscale="log", xlabel="clips trained on, times passes", ylabel="top-1 accuracy in %")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dataset", default="stick-figures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.005)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    curves: dict[str, list[tuple[int, np.ndarray]]] = {}
    chance = 0.0
    print("| trained on | passes | clip passes | top-1 by seed | mean |\n|---|---|---|---|---|")
    for curve, steps in EPOCHS.items():
        for epochs in steps:
            found = [result(arguments, curve, epochs, seed) for seed in range(arguments.seeds)]
            chance = found[0]["chance"]
            scores = np.array([each["top1"]["mean"] for each in found])
            clip_passes = found[0]["num_train_clips"] * found[0]["passes"]
            curves.setdefault(curve, []).append((clip_passes, scores))
            by_seed = ", ".join(f"{score:.1f}" for score in scores)
            print(f"| {curve} | {epochs + 1} | {clip_passes:,} | {by_seed} | {scores.mean():.1f} |")
    draw(curves, chance, arguments.out / "passes.png")


if __name__ == "__main__":
    main()
