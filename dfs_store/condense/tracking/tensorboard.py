"""A run in TensorBoard."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.condense.tracking.tracker import Tracker

__all__ = ["TensorboardTracker"]


class TensorboardTracker(Tracker):
    """Writes `STORE.tensorboard`.

    A resumed run continues in the same folder; what was there beyond its first step is no longer shown.
    """

    name = "tensorboard"

    def open(self, first_step: int) -> None:
        """Opens a file of events."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(self._folder), purge_step=first_step)

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Adds a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(f"condense/{name}", value, step)

    def picture(self, pixels: npt.NDArray[np.uint8], step: int) -> None:
        """Adds a picture."""
        self._writer.add_image("clips", pixels, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
