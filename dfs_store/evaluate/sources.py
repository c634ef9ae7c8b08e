"""Opens a store's training clips, which are rebuilt from key frames or generated from native arrays."""

import os
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from dfs_store.condense.methods import method_named, method_names
from dfs_store.evaluate.run import TrainingBatches
from dfs_store.format import open_store
from dfs_store.loaders import DFSDataset, DFSLoader
from dfs_store.loaders.dataset import Target

__all__ = ["LABELS", "StoreClips", "clips_of"]

# The kinds of labels to train on, in order, for each value of --labels.
LABELS: Mapping[str, tuple[Target, ...]] = {"hard": ("hard",), "soft": ("soft",), "both": ("hard", "soft")}


def clips_of(
    path: str | os.PathLike[str], device: torch.device | str = "cpu", labels: Target = "hard"
) -> TrainingBatches:
    """Opens a store's training clips, which some methods generate from native arrays.

    Args:
        path: path or URL of the store.
        device: device of the batches.
        labels: "hard" for the clips' classes, or "soft" for a teacher's logits.

    Raises:
        SettingsError: `labels` is "soft", but the store has no soft labels.
    """
    with open_store(path) as store:
        native = store.native_method if labels == "hard" else None
    if native in method_names() and (made := method_named(native).training_clips) is not None:
        source: TrainingBatches = made(path, device)
        return source
    return StoreClips(path, device, labels)


class StoreClips:
    """Training batches of a store's rebuilt clips, without augmentation.

    Args:
        path: path or URL of the store.
        device: device of the batches.
        labels: see `clips_of`.

    Attributes:
        classes: class names.
    """

    def __init__(
        self, path: str | os.PathLike[str], device: torch.device | str = "cpu", labels: Target = "hard"
    ) -> None:
        self._dataset = DFSDataset(path, layout="TCHW", target=labels)
        self._device = torch.device(device)
        self._loader: DFSLoader | None = None
        self._made_for: tuple[int, int] | None = None
        self.classes = list(self._dataset.classes)

    def __len__(self) -> int:
        return len(self._dataset)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields batches that contain every clip once, shuffled by (seed, epoch).

        Yields:
            The clips, (N, T, C, H, W) float32, and their labels: (N,) int64, or (N, classes) float32 if soft.
        """
        if self._loader is None or self._made_for != (batch_size, seed):
            self._loader = DFSLoader(
                self._dataset,
                batch_size,
                shuffle=True,
                device=self._device,
                seed=seed,
                num_replicas=1,
                rank=0,
            )
            self._made_for = (batch_size, seed)
        self._loader.set_epoch(epoch)
        yield from self._loader
