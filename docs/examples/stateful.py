"""Stops in the middle of an epoch and resumes with the same batches, using torchdata's StatefulDataLoader.

pip install 'dfs-store[examples]'
python stateful.py shapes.zarr --steps 3 --workers 2

(DFSLoader has its own state_dict and load_state_dict, so it does not need torchdata.)
"""

import argparse

import torch
from torchdata.stateful_dataloader import StatefulDataLoader

from dfs_store import DFSDataset


def make_loader(store: str, batch_size: int, workers: int) -> StatefulDataLoader:
    """Creates the loader from scratch, as a new process would."""
    return StatefulDataLoader(
        DFSDataset(store),
        batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
        num_workers=workers,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--steps", type=int, default=3, help="batches before stopping")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    loader = make_loader(options.store, options.batch_size, options.workers)
    batches = iter(loader)
    for _ in range(options.steps):
        next(batches)  # ... a training step with clips.to(options.device)
    state = loader.state_dict()  # save it in your checkpoint, with the network and the optimizer
    undisturbed = list(batches)

    again = make_loader(options.store, options.batch_size, options.workers)
    again.load_state_dict(state)
    resumed = list(again)
    same = len(resumed) == len(undisturbed) and all(
        torch.equal(clips, other_clips) and torch.equal(labels, other_labels)
        for (clips, labels), (other_clips, other_labels) in zip(resumed, undisturbed, strict=True)
    )
    print(f"after {options.steps} batches: {len(resumed)} left, {'the same' if same else 'DIFFERENT'}")
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
