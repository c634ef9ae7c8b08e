"""The training clips of a store as a LightningDataModule.

DFSLoader has a state, so Lightning can resume from a checkpoint within an epoch.
For per-clip transforms, use DataLoader(DFSDataset(self.store), ...) instead.
"""

import lightning as L

from dfs_store import DFSDataset, DFSLoader


# --8<-- [start:module]
class StoreDataModule(L.LightningDataModule):
    def __init__(self, store: str, batch_size: int = 8) -> None:
        super().__init__()
        self.store, self.batch_size = store, batch_size

    def train_dataloader(self) -> DFSLoader:
        return DFSLoader(DFSDataset(self.store), self.batch_size, shuffle=True)


# --8<-- [end:module]
