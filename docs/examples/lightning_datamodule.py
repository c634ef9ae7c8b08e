"""A store as a LightningDataModule."""

import lightning as L

from dfs_store import DFSDataset, DFSLoader


class StoreDataModule(L.LightningDataModule):
    """Training clips of a store. DFSLoader has a state, so Lightning's checkpoints resume within an epoch."""

    # --8<-- [start:module]
    def __init__(self, store: str, batch_size: int = 8) -> None:
        super().__init__()
        self.store, self.batch_size = store, batch_size

    def train_dataloader(self) -> DFSLoader:
        return DFSLoader(DFSDataset(self.store), self.batch_size, shuffle=True)

    # --8<-- [end:module]
