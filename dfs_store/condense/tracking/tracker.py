"""Base class of the trackers, which log the loss, the number of key frames and contact sheets of a run."""

import importlib.util
import os
import warnings
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.condense.config import CondenseConfig
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
from dfs_store.videos import VideoDataset

__all__ = ["Tracker", "tracker_folder"]

_MOST_CLIPS = 12


def tracker_folder(out: str | os.PathLike[str], name: str) -> Path:
    """Returns the folder of a tracker's files: next to the output, or in the working folder for a URL."""
    return local_beside(out, f".{name}")


class Tracker:
    """Logs the events of a run. It is a context manager whose `on_event` is passed to `condense`.

    After every step, logs scalars (loss, key frames per clip, MiB of key frames, insertions). For every
    checkpoint and for the finished store, logs a contact sheet of the first clip of each class, up to 12
    clips. Nothing is written before the first step, so a run that fails its checks leaves no files behind.

    Args:
        config: resolved settings of the run.
        videos: the real clips of the run.

    Raises:
        MissingDependencyError: the tracker is not installed.
    """

    name: ClassVar[str] = ""
    """Name of the tracker, its Python package and the extra that installs it; also suffix of its folder."""

    def __init__(self, config: CondenseConfig, videos: VideoDataset) -> None:
        self.check_installed()
        self._config, self._classes, self._num_frames = config, videos.classes, videos.num_frames
        self._normalization = videos.normalization
        self._folder = tracker_folder(config.out, self.name)
        # With --vpc all, there are no steps and no values per clip.
        self._vpc = 1 if config.vpc == "all" else config.vpc
        self._num_clips = len(videos.classes) * self._vpc
        self._step, self._steps, self._first_step = 0, 0, 0
        self._is_open = self._refused = False

    @classmethod
    def check_installed(cls) -> None:
        """Raises MissingDependencyError if the tracker is not installed."""
        if importlib.util.find_spec(cls.name) is None:
            raise MissingDependencyError(
                f"--track {cls.name} needs {cls.name}: pip install 'dfs-store[{cls.name}]'"
            )

    @classmethod
    def check_account(cls) -> None:
        """Raises SettingsError if the tracker, which must be installed, has no account to log to."""

    def open(self, first_step: int) -> None:
        """Starts a run in the tracker, or continues one if the first step is above 0."""
        raise NotImplementedError

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Logs named numbers at a step."""
        raise NotImplementedError

    def picture(self, pixels: npt.NDArray[np.uint8], step: int) -> None:
        """Logs a contact sheet, (H, W, 3) uint8."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the run."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._is_open:
            self.close()

    def on_event(self, event: Event) -> None:
        """Logs an event. If the tracker fails, issues one warning and logs nothing more."""
        if self._refused:
            return
        try:
            self._take(event)
        except self.refusals() as error:
            self._is_open, self._refused = False, True
            warnings.warn(
                f"--track {self.name} failed: {error}; continuing without it (its files are in "
                f"{self._folder})",
                stacklevel=2,
            )

    @classmethod
    def refusals(cls) -> tuple[type[Exception], ...]:
        """Returns the exceptions that indicate a failure of the tracker's disk or server."""
        return (OSError,)

    def _take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._first_step, self._num_clips, self._steps = event.step, event.num_clips, event.iterations
        elif not self._is_open and isinstance(event, StepDone | StoreWritten):
            self.open(self._first_step)
            self._is_open = True
        if not self._is_open:
            return
        if isinstance(event, StepDone):
            self._step = event.step
            self.scalars(self._values(event), event.step)
        elif isinstance(event, CheckpointSaved):
            self._sheet(self._of_checkpoint(Path(event.path)))
        elif isinstance(event, StoreWritten):
            with open_store(event.path) as store:
                self._sheet([pictured(store, clip) for clip in first_of_each_class(store, _MOST_CLIPS)])

    def _values(self, event: StepDone) -> dict[str, float]:
        return {
            "loss": event.loss,
            "key frames per clip": event.num_key_frames / self._num_clips,
            "key frames MiB": event.key_frame_bytes / MEBIBYTE,
            "insertions": event.num_inserted,
        }

    def _of_checkpoint(self, path: Path) -> list[PicturedClip]:
        """Returns the first clip of each class in a checkpoint, or none if no key frames are trained."""
        wanted = range(0, self._num_clips, self._vpc)[:_MOST_CLIPS]
        found = key_frames_of(path, wanted)
        return [self._pictured(*each) for each in zip(wanted, found, strict=False)]

    def _pictured(self, clip: int, state: ClipState) -> PicturedClip:
        rebuilt = rebuild(state.key_frames, neighbours(state.positions, self._num_frames))
        name = self._classes[clip // self._vpc]
        pixels = to_pixels(rebuilt, self._normalization)
        return PicturedClip(pixels, state.positions, state.inserted_at, name, f"clip {clip}")

    def _sheet(self, clips: list[PicturedClip]) -> None:
        if clips:
            self.picture(np.asarray(contact_sheet(clips, SheetStyle(steps=self._steps or None))), self._step)
