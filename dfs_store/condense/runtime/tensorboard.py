"""A run in TensorBoard: loss, key frames, and contact sheets of what the key frames look like."""

import os
import warnings
from pathlib import Path
from typing import Self

import numpy as np

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.condense.events import CheckpointSaved, Event, RunStarted, StepDone, StoreWritten
from dfs_store.condense.runtime.checkpoint import ClipState, key_frames_of
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
    """Returns where the TensorBoard files of a run lie: beside its output; of a URL in the working folder."""
    out = local_beside(out)
    return out.with_name(out.name + ".tensorboard")


class TensorboardTracker:
    """Writes events of a run for TensorBoard; a context manager whose `on_event` goes to `condense`.

    Scalars after every step: loss, key frames per clip, MiB of key frames, insertions. A contact sheet of the
    first clip of each class, up to twelve, with every checkpoint and with the store. A resumed run goes on in
    the same folder, and what it had written beyond its first step is no longer shown.

    Args:
        folder: where to, see `tensorboard_folder`.
        classes: class names.
        vpc: clips per class.
        normalization: of the key frames, as in the store.
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
        """Writes what an event tells; a disk that refuses is said once, and does not end the run."""
        try:
            self._take(event)
        except OSError as error:
            self._writer, self._open = None, None
            warnings.warn(
                f"TensorBoard's files cannot be written to {self._folder} ({error}); the run goes on without",
                stacklevel=2,
            )

    def _take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._first_step, self._num_clips, self._steps = event.step, event.num_clips, event.iterations
        elif self._writer is None and self._open is not None and isinstance(event, StepDone | StoreWritten):
            # Not before: a run that is refused leaves no files behind.
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
        """The first clip of each class as a checkpoint holds it; none where its method has no key frames."""
        wanted = range(0, self._num_clips, self._vpc)[:_MOST_CLIPS]
        found = key_frames_of(path, wanted)
        return [self._pictured(*each) for each in zip(wanted, found, strict=False)]

    def _pictured(self, clip: int, state: ClipState) -> PicturedClip:
        rebuilt = rebuild(state.key_frames, neighbours(state.positions, self._num_frames))
        name = self._classes[clip // self._vpc]
        pixels = to_pixels(rebuilt, self._normalization)
        return PicturedClip(pixels, state.positions, state.inserted_at, name, f"clip {clip}")

    def _sheet(self, clips: list[PicturedClip]) -> None:
        if self._writer is None or not clips:
            return
        sheet = np.asarray(contact_sheet(clips, SheetStyle(steps=self._steps or None)))
        self._writer.add_image("clips", sheet, self._step, dataformats="HWC")
        self._writer.flush()
