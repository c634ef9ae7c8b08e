"""Trains a small 3-D network on a store with Lightning.

pip install 'dfs-store[examples]'
python train_lightning.py shapes.zarr --steps 20
"""

import argparse

import lightning as L
import torch
import torch.nn.functional as F
from lightning_datamodule import StoreDataModule
from torch import Tensor, nn

from dfs_store import open_store


class Classifier(L.LightningModule):
    """Two 3-D convolutions and a linear layer, for clips of shape (N, C, T, H, W)."""

    def __init__(self, num_channels: int, num_classes: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv3d(num_channels, 16, 3, stride=(1, 2, 2), padding=1),
            nn.ReLU(),
            nn.Conv3d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
            nn.Linear(32, num_classes),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], _number: int) -> Tensor:
        clips, labels = batch
        loss = F.cross_entropy(self.network(clips), labels)
        self.log("loss", loss, prog_bar=True, batch_size=len(clips))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="auto", help="Lightning accelerator: auto, cpu or gpu")
    options = parser.parse_args()

    L.seed_everything(0, verbose=False)
    with open_store(options.store) as store:
        model = Classifier(store.frame_shape[0], len(store.class_names))
    trainer = L.Trainer(
        max_steps=options.steps,
        accelerator=options.device,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(model, StoreDataModule(options.store, options.batch_size))
    print(f"{trainer.global_step} steps, loss {trainer.callback_metrics['loss'].item():.3f}")


if __name__ == "__main__":
    main()
