"""Logs a run to TensorBoard: loss, numbers of key frames and contact sheets."""

import os
import warnings
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.condense.events import CheckpointSaved, Event, RunStarted, StepDone, StoreWritten
from dfs_store.condense.runtime.checkpoint import key_frames_of
from dfs_store.errors import MissingDependencyError
from dfs_store.format import open_store
from dfs_store.format.io.place import local_beside
from dfs_store.interpolation import neighbours, rebuild
from dfs_store.pictures import (
    PicturedClip,
    SheetStyle,
    contact_sheet,
    first_of_each_class,
    pictured,
    to_pixels,
)

__all__ = ["TensorboardTracker", "tensorboard_folder"]

_MOST_CLIPS = 12


def tensorboard_folder(out: str | os.PathLike[str]) -> Path:
    """Returns a run's TensorBoard folder: next to its output; for a URL in the working folder."""
    out = local_beside(out)
    return out.with_name(out.name + ".tensorboard")


class TensorboardTracker:
    """Logs a run to TensorBoard; a context manager whose `on_event` is passed to `condense`.

    Logs scalars after every step (loss, key frames per clip, MiB of key frames, insertions), and a contact
    sheet of the first clip of each class, up to twelve, with every checkpoint and with the store. A resumed
    run continues in the same folder, where TensorBoard hides the steps that are repeated.

    Args:
        folder: where to write, see `tensorboard_folder`.
        classes: class names.
        vpc: clips per class.
        normalization: normalisation of the key frames, as in the store.
        num_frames: T.

    Raises:
        MissingDependencyError: tensorboard is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        classes: list[str],
        vpc: int,
        normalization: dict[str, list[float]] | None,
        num_frames: int,
    ) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingDependencyError(
                "--track tensorboard needs tensorboard: pip install 'dfs-store[tensorboard]'"
            ) from error
        self._open: type[SummaryWriter] | None = SummaryWriter
        self._folder = Path(folder)
        self._classes, self._vpc = classes, vpc
        self._normalization, self._num_frames = normalization, num_frames
        self._writer: SummaryWriter | None = None
        self._num_clips, self._step, self._steps, self._first_step = len(classes) * vpc, 0, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_event(self, event: Event) -> None:
        """Logs an event. If the files cannot be written, warns once and lets the run continue."""
        try:
            self._take(event)
        except OSError as error:
            self._writer, self._open = None, None
            warnings.warn(
                f"TensorBoard files cannot be written to {self._folder} ({error}); continuing without them",
                stacklevel=2,
            )

    def _take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._first_step, self._num_clips, self._steps = event.step, event.num_clips, event.iterations
        elif self._writer is None and self._open is not None and isinstance(event, StepDone | StoreWritten):
            # Not earlier, so that a run that fails its checks leaves no files behind.
            self._writer = self._open(str(self._folder), purge_step=self._first_step)
        if self._writer is None:
            return
        if isinstance(event, StepDone):
            self._step = event.step
            self._scalars(event)
        elif isinstance(event, CheckpointSaved):
            self._sheet(self._of_checkpoint(Path(event.path)))
        elif isinstance(event, StoreWritten):
            with open_store(event.path) as store:
                self._sheet([pictured(store, clip) for clip in first_of_each_class(store, _MOST_CLIPS)])

    def _scalars(self, event: StepDone) -> None:
        assert self._writer is not None
        values = {
            "loss": event.loss,
            "key frames per clip": event.num_key_frames / self._num_clips,
            "key frames MiB": event.key_frame_bytes / MEBIBYTE,
            "insertions": event.num_inserted,
        }
        for name, value in values.items():
            self._writer.add_scalar(f"condense/{name}", value, event.step)

    def _of_checkpoint(self, path: Path) -> list[PicturedClip]:
        """Returns the first clip of each class in a checkpoint; none if its method has no key frames."""
        wanted = range(0, self._num_clips, self._vpc)[:_MOST_CLIPS]
        return [
            self._pictured(clip, *found)
            for clip, found in enumerate(key_frames_of(path, wanted[-1] + 1))
            if clip in wanted
        ]

    def _pictured(
        self,
        clip: int,
        frames: npt.NDArray[np.float32],
        positions: npt.NDArray[np.int64],
        inserted_at: npt.NDArray[np.int32],
    ) -> PicturedClip:
        rebuilt = rebuild(frames, neighbours(positions, self._num_frames))
        name = self._classes[clip // self._vpc]
        return PicturedClip(
            to_pixels(rebuilt, self._normalization), positions, inserted_at, name, f"clip {clip}"
        )

    def _sheet(self, clips: list[PicturedClip]) -> None:
        if self._writer is None or not clips:
            return
        sheet = np.asarray(contact_sheet(clips, SheetStyle(steps=self._steps or None)))
        self._writer.add_image("clips", sheet, self._step, dataformats="HWC")
        self._writer.flush()
