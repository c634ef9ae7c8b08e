"""Trains a Hugging Face VideoMAE classifier with random initial weights on a store.

pip install 'dfs-store[examples]'
python train_videomae.py shapes.zarr --steps 100

Nothing is downloaded. To use pretrained weights, load the network with from_pretrained instead, pass
DFSDataset the processor's normalisation (image_mean and image_std), and use frames of the size that the
network expects.
"""

import argparse
from itertools import chain, repeat

import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from dfs_store import DFSDataset, DFSLoader


def build(dataset: DFSDataset, patch_size: int) -> VideoMAEForVideoClassification:
    """Builds a small network for a dataset's clips."""
    channels, height, width = dataset.frame_shape
    if height != width or height % patch_size or dataset.num_frames % 2:
        raise SystemExit(
            f"VideoMAE needs an even number of square frames with sides divisible by {patch_size}, "
            f"but the clips are {dataset.num_frames}x{height}x{width}; change --patch-size or --frames"
        )
    config = VideoMAEConfig(
        image_size=height,
        patch_size=patch_size,
        num_channels=channels,
        num_frames=dataset.num_frames,
        tubelet_size=2,
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=192,
        id2label=dict(enumerate(dataset.classes)),
        label2id=dataset.class_to_idx,
    )
    return VideoMAEForVideoClassification(config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--frames", type=int, help="frames per clip (default: as stored)")
    parser.add_argument("--patch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.manual_seed(0)
    # Hugging Face's video networks expect clips of shape (N, T, C, H, W).
    dataset = DFSDataset(options.store, layout="TCHW", num_frames=options.frames)
    loader = DFSLoader(dataset, options.batch_size, shuffle=True, device=options.device)
    network = build(dataset, options.patch_size).to(options.device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4)

    epochs = chain.from_iterable(repeat(loader))
    for step, (clips, labels) in zip(range(1, options.steps + 1), epochs, strict=False):
        loss = network(pixel_values=clips, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0 or step == options.steps:
            print(f"step {step}: clips {tuple(clips.shape)}, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
