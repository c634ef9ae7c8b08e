"""Trains a torchvision video network from scratch on a store.

python train_torchvision.py shapes.zarr --model mc3_18 --size 112 --frames 16 --steps 100
"""

import argparse
from itertools import chain, repeat

import torch
import torch.nn.functional as F
from torchvision.models import video
from torchvision.transforms import v2

from dfs_store import DFSDataset, DFSLoader

# The mean and standard deviation for torchvision's video networks trained on Kinetics-400.
KINETICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--model", default="r3d_18", choices=["r3d_18", "mc3_18", "r2plus1d_18"])
    parser.add_argument("--frames", type=int, help="frames per clip (default: as stored)")
    parser.add_argument("--size", type=int, help="height and width in pixels (default: as stored)")
    parser.add_argument("--normalization", default="kinetics", choices=["kinetics", "stored"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.manual_seed(0)
    # --8<-- [start:loader]
    dataset = DFSDataset(
        options.store,
        num_frames=options.frames,
        normalization=KINETICS if options.normalization == "kinetics" else "stored",
    )
    loader = DFSLoader(
        dataset,
        options.batch_size,
        shuffle=True,
        horizontal_flip=0.5,
        device=options.device,
        # Transforms whole batches on the device.
        batch_transform=v2.Resize((options.size, options.size)) if options.size else None,
    )
    # --8<-- [end:loader]
    network = getattr(video, options.model)(weights=None, num_classes=len(dataset.classes))
    network = network.to(options.device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    epochs = chain.from_iterable(repeat(loader))
    for step, (clips, labels) in zip(range(1, options.steps + 1), epochs, strict=False):
        loss = F.cross_entropy(network(clips), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0 or step == options.steps:
            print(f"step {step}: clips {tuple(clips.shape)}, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
