"""Logs a run to TensorBoard."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.condense.tracking.tracker import Tracker

__all__ = ["TensorboardTracker"]


class TensorboardTracker(Tracker):
    """Logs a run to the folder `STORE.tensorboard`.

    A resumed run continues in the same folder, and TensorBoard hides repeated steps.
    """

    name = "tensorboard"

    def open(self, first_step: int) -> None:
        """Opens an event file."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(self._folder), purge_step=first_step)

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Adds a point to each named curve."""
        for name, value in values.items():
            self._writer.add_scalar(f"condense/{name}", value, step)

    def picture(self, pixels: npt.NDArray[np.uint8], step: int) -> None:
        """Adds a contact sheet (H, W, 3) uint8."""
        self._writer.add_image("clips", pixels, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Writes pending events and closes the file."""
        self._writer.close()
