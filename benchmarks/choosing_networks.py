"""Does a store choose networks? Ranks eight small networks on stores and on all real clips.

    python benchmarks/choosing_networks.py --out results/networks --seeds 3

Every network is trained on each store (`--protocol strict`, 100 epochs, lr 0.005) and, for fewer passes, on
all real training clips. The script prints top-1 and seconds, and Spearman's rank correlation between the
scores on each store and the scores on all clips: 1 if the store ranks the networks as all clips do. The
stores have about equal sizes: DFS, packed herded clips, and random clips. Finished parts are not repeated.
"""

import argparse
from pathlib import Path

import numpy as np
from running import condensed, evaluated

NETWORKS = (
    *(f"small_networks:{name}" for name in ("Narrow2", "Narrow2Norm", "Wide2", "Narrow3", "Narrow3Norm")),
    "convnet3d",
    "convnet3d-norm",
    "cnn-gru",
)
STORES = {
    "DFS, 2 clips of 2": "--method dfs --vpc 2 --encoding webp:10",
    "pack, 2 clips of 2 to 4": "--method pack --vpc 2 --key-frames 4 --encoding webp:0",
    "random, 2 clips of 2": "--method random --vpc 2 --key-frames 2 --encoding webp:10",
}


def score(
    arguments: argparse.Namespace, source: Path | str, network: str, name: str, epochs: int, seed: int
) -> dict:
    """Returns the result of a training on `source`, a store or "whole"."""
    file = arguments.out / f"{name}-{network.rpartition(':')[2]}-{seed}.json"
    how = f"--protocol strict --epochs {epochs} --lr {arguments.lr} --runs 1 --seed {1000 * seed}"
    return evaluated(file, source, "--dataset", arguments.dataset, "--model", network, *how.split())


def ranks(values: np.ndarray) -> np.ndarray:
    """Returns ranks, starting from 0. Equal values share the mean of their ranks."""
    return np.array([((values < value).sum() + (values <= value).sum() - 1) / 2 for value in values])


def main() -> None:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dataset", default="stick-figures")
    parser.add_argument("--seeds", type=int, default=3, help="condensations or draws of each store")
    parser.add_argument("--whole-seeds", type=int, default=2, help="trainings on all real clips")
    parser.add_argument("--epochs", type=int, default=100, help="epochs on a store")
    parser.add_argument("--whole-epochs", type=int, default=14, help="epochs on all real clips")
    parser.add_argument("--lr", type=float, default=0.005)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    scores: dict[str, list[np.ndarray]] = {}  # for each source and seed, the scores of all networks
    seconds: dict[str, list[float]] = {}
    kilobytes: dict[str, float] = {}
    for row, flags in STORES.items():
        for seed in range(arguments.seeds):
            name = row.partition(",")[0]
            how = ("--dataset", arguments.dataset, *flags.split(), "--seed", str(seed))
            store = condensed(arguments.out / f"{name}-{seed}.zarr", *how)
            results = [score(arguments, store, network, name, arguments.epochs, seed) for network in NETWORKS]
            storage = results[0]["storage"]
            kilobytes[row] = (storage["key_frame_bytes"] + storage["index_bytes"]) / 1000
            scores.setdefault(row, []).append(np.array([result["top1"]["mean"] for result in results]))
            seconds.setdefault(row, []).append(sum(result["elapsed_seconds"] for result in results))
    for seed in range(arguments.whole_seeds):
        results = [
            score(arguments, "whole", network, "whole", arguments.whole_epochs, seed) for network in NETWORKS
        ]
        scores.setdefault("all real clips", []).append(
            np.array([result["top1"]["mean"] for result in results])
        )
        seconds.setdefault("all real clips", []).append(sum(result["elapsed_seconds"] for result in results))

    names = [network.rpartition(":")[2] for network in NETWORKS]
    print("| trained on | kB | " + " | ".join(names) + " | rank correlation by seed | seconds |")
    print("|---" * (len(names) + 4) + "|")
    truth = ranks(np.mean(scores["all real clips"], axis=0))
    for row, found in scores.items():
        correlations = [np.corrcoef(truth, ranks(each))[0, 1] for each in found]
        cells = " | ".join(f"{mean:.1f}" for mean in np.mean(found, axis=0))
        size = f"{kilobytes[row]:.1f}" if row in kilobytes else ""
        told = ", ".join(f"{value:.2f}" for value in correlations)
        print(f"| {row} | {size} | {cells} | {told} | {np.mean(seconds[row]):.0f} |")


if __name__ == "__main__":
    main()
