"""Logs a run to Weights & Biases."""

import contextlib
import os
import uuid
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.condense.tracking.tracker import Tracker
from dfs_store.errors import SettingsError
from dfs_store.format.source_paths import portable

__all__ = ["WandbTracker"]


class WandbTracker(Tracker):
    """Logs a run to the project set in WANDB_PROJECT, by default `dfs-store`.

    With WANDB_MODE=offline, the run is saved in `STORE.wandb`, for `wandb sync` to upload later. A resumed
    run continues under the same id. Settings are logged without local paths.
    """

    name = "wandb"

    @classmethod
    def check_account(cls) -> None:
        """Asks for an API key in the terminal if none is configured.

        Raises:
            SettingsError: there is neither a key nor a terminal.
        """
        import wandb

        if wandb.setup().settings.mode in ("offline", "dryrun", "disabled"):
            return
        try:
            wandb.login(verify=False)
        except wandb.errors.UsageError as error:
            reason = str(error).rstrip(".")
            raise SettingsError(
                f"--track wandb: {reason}. Run `wandb login`, or set WANDB_MODE=offline to log to a folder"
            ) from error

    def open(self, first_step: int) -> None:
        """Starts or continues a Weights & Biases run."""
        import wandb

        self._folder.mkdir(exist_ok=True)  # otherwise wandb uses a temporary folder
        name = self._folder.name.removesuffix(f".{self.name}")
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "dfs-store"),
            dir=str(self._folder),
            id=self._id(first_step),
            resume="allow" if first_step else None,
            name=name,
            config=portable(self._config.provenance()),
            # wandb must not capture the terminal or upload code.
            settings=wandb.Settings(console="off", quiet=True, save_code=False),
        )

    def _id(self, first_step: int) -> str:
        """Returns the run's id, which is saved in its folder so that a resumed run can find it."""
        path = self._folder / "run-id"
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if first_step and (known := path.read_text().strip()):
                return known
        made = uuid.uuid4().hex[:8]
        path.write_text(made)
        return made

    @classmethod
    def refusals(cls) -> tuple[type[Exception], ...]:
        """Returns the exceptions that the disk and wandb raise."""
        import wandb

        return (OSError, wandb.errors.Error)

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Logs named values at a step."""
        self._run.log({f"condense/{name}": value for name, value in values.items()}, step=step)

    def picture(self, pixels: npt.NDArray[np.uint8], step: int) -> None:
        """Logs a contact sheet (H, W, 3) uint8."""
        import wandb

        self._run.log({"clips": wandb.Image(pixels)}, step=step)

    def close(self) -> None:
        """Waits until everything is written or uploaded."""
        self._run.finish()
