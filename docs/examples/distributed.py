"""Trains on a store in several processes, each with its share of every epoch.

torchrun --standalone --nproc-per-node 2 distributed.py shapes.zarr --loader dfs
"""

import argparse
import gc
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from dfs_store import DFSDataset, DFSLoader


def make_loader(kind: str, dataset: DFSDataset, batch_size: int, device: torch.device):
    """Returns a loader for this process's share of the clips, and the function that sets the epoch."""
    if kind == "dfs":
        # Uses the rank and the number of processes from torch.distributed, and counts epochs itself.
        loader = DFSLoader(dataset, batch_size, shuffle=True, device=device)
        return loader, loader.set_epoch
    sampler = DistributedSampler(dataset, shuffle=True)
    return DataLoader(dataset, batch_size, sampler=sampler), sampler.set_epoch


def train(kind: str, dataset: DFSDataset, batch_size: int, epochs: int, device: torch.device):
    """Trains a small network with one kind of loader, always from the same initial weights."""
    loader, set_epoch = make_loader(kind, dataset, batch_size, device)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv3d(dataset.frame_shape[0], 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(16, len(dataset.classes)),
    )
    network = DistributedDataParallel(network.to(device))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for epoch in range(epochs):
        set_epoch(epoch)
        seen = 0
        for clips, labels in loader:
            loss = F.cross_entropy(network(clips.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(clips)
        rank = dist.get_rank()
        print(f"{kind}: rank {rank}, epoch {epoch}: {seen} of {len(dataset)} clips, loss {loss.item():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--loader", default=["dfs"], choices=["dfs", "torch"], nargs="+")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=8, help="clips per batch in each process")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for one GPU per process")
    options = parser.parse_args()

    on_gpu = options.device == "cuda"
    dist.init_process_group("nccl" if on_gpu else "gloo")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    dataset = DFSDataset(options.store)
    for kind in options.loader:
        train(kind, dataset, options.batch_size, options.epochs, device)
    gc.collect()  # DistributedDataParallel refers to itself; free it before its process group
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
