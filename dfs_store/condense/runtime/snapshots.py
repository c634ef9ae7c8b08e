"""Snapshots are small stores that contain some clips of a run as they were at selected steps."""

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import StepDone
from dfs_store.condense.runtime.checkpoint import ClipState, State, clips_of_state
from dfs_store.condense.runtime.ranks import Ranks
from dfs_store.errors import DFSError, OutputExistsError, SettingsError, StoreNotFoundError
from dfs_store.format import KeyFrameStore, StoreWriter
from dfs_store.format.io.durable import write_durably
from dfs_store.format.io.place import local_beside
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json
from dfs_store.videos import VideoDataset

__all__ = ["Snapshots", "check_snapshots", "finish_snapshots", "snapshots_folder", "snapshots_of"]

MOST_CLIPS = 16
MOST_BYTES = 256 * MEBIBYTE  # limit for all snapshots of a run if every frame became a key frame
SCHEMA = "dfs.snapshots/1"
_NAME = re.compile(r"after-(\d+)\.h5")
_RUN = "run.json"
_PATHS = ("dataset", "test_list", "class_names")


def snapshots_folder(out: str | os.PathLike[str]) -> Path:
    """Returns the folder of a run's snapshots: next to its output, or in the working folder for a URL."""
    return local_beside(out, ".snapshots")


def _files(folder: Path) -> dict[int, Path]:
    """Returns the paths of the snapshots in a folder, keyed and sorted by the number of steps done."""
    found = ((_NAME.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ()))
    return dict(sorted((int(name[1]), path) for name, path in found if name is not None))


def check_snapshots(config: CondenseConfig) -> None:
    """Checks that the snapshots of a run can be written.

    Raises:
        OutputExistsError: the folder contains snapshots of a different run and `overwrite` is not set, or it
            contains other files.
    """
    folder = snapshots_folder(config.out)
    if config.snapshots is None or not config.uses("snapshots") or not os.path.lexists(folder):
        return
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    foreign = [name for name in names if name != _RUN and _NAME.fullmatch(name) is None]
    if foreign:
        raise OutputExistsError(
            f"--snapshots writes to {folder}, but {foreign[0]} in that folder is not a snapshot; move the "
            "file elsewhere, or choose a different --out"
        )
    if not (config.overwrite or config.resume):
        raise OutputExistsError(
            f"{folder} contains snapshots of an earlier run; add --overwrite to replace them, or choose a "
            "different --out"
        )


class Snapshots:
    """Saves the first clip of each class, up to 16 clips, at evenly spaced steps of a run.

    The first snapshot is taken before the first step, and the last after the last step. A snapshot is an HDF5
    store (uint8) of these clips, with {"snapshot": {"steps_done", "iterations", "clips"}} in its provenance.
    A resumed run keeps earlier snapshots. If a snapshot cannot be written, one warning is issued and the run
    continues.

    Args:
        config: resolved settings with `snapshots` set.
        videos: the real clips.

    Attributes:
        moments: the numbers of finished steps after which a snapshot is taken.
        clips: numbers of the saved clips.
    """

    def __init__(self, config: CondenseConfig, videos: VideoDataset) -> None:
        self._config, self._videos = config, videos
        self._folder = snapshots_folder(config.out)
        self._iterations = config.matching.iterations
        number = config.snapshots or 0
        self.moments = set(np.linspace(0, self._iterations, number).round().astype(int).tolist())
        clip_bytes = videos.num_frames * int(np.prod(videos.frame_shape))
        most = max(1, min(MOST_CLIPS, MOST_BYTES // max(1, number) // clip_bytes))
        self.clips = list(range(0, len(videos.classes) * config.per_class, config.per_class))[:most]
        self._refused = False

    def during(
        self, steps: Iterator[StepDone], first_step: int, state: Callable[[], State | None], ranks: Ranks
    ) -> Iterator[StepDone]:
        """Yields the steps of a run and takes snapshots between them.

        Args:
            steps: an iterator that yields after every step, when the state is consistent.
            first_step: first step to run; above 0 for a resumed run.
            state: called on all ranks at once; returns the state on the first rank, and None on the others.
            ranks: the processes that share the run.
        """
        at_start = self._taken(first_step, state)
        begun = not ranks.is_first
        for event in steps:
            if not begun:  # only now, so that a run that fails its checks leaves no files behind
                begun = True
                self._try(lambda: self._begin(first_step))
                self._keep(first_step, at_start)
            self._keep(event.step + 1, self._taken(event.step + 1, state))
            yield event

    def _taken(self, steps_done: int, state: Callable[[], State | None]) -> list[ClipState]:
        arrays = state() if steps_done in self.moments else None
        return [] if arrays is None else clips_of_state(arrays, self.clips)

    def _keep(self, steps_done: int, clips: list[ClipState]) -> None:
        if clips:
            self._try(lambda: self._write(steps_done, clips))

    def _try(self, write: Callable[[], None]) -> None:
        if self._refused:
            return
        try:
            write()
        except (OSError, DFSError) as error:
            self._refused = True
            warnings.warn(
                f"snapshots cannot be written to {self._folder} ({error}); continuing without them",
                stacklevel=2,
            )

    def _begin(self, first_step: int) -> None:
        self._folder.mkdir(exist_ok=True)
        (self._folder / _RUN).unlink(missing_ok=True)
        for steps_done, path in _files(self._folder).items():
            if steps_done > first_step or not first_step:
                path.unlink()

    def _write(self, steps_done: int, clips: list[ClipState]) -> None:
        config, videos = self._config, self._videos
        settings = {name: value for name, value in config.provenance().items() if name not in _PATHS}
        when = {"steps_done": steps_done, "iterations": self._iterations, "clips": self.clips}
        provenance = {"method": config.method, "vpc": config.vpc, "config": settings, "snapshot": when}
        with StoreWriter(
            self._folder / f"after-{steps_done:0{len(str(self._iterations))}d}.h5",
            num_frames=videos.num_frames,
            frame_shape=videos.frame_shape,
            class_names=videos.classes,
            dtype="uint8",
            attributes={
                "normalization": videos.normalization,
                "fps": videos.fps,
                "provenance": provenance,
            },
            overwrite=True,
        ) as writer:
            for number, clip in zip(self.clips, clips, strict=True):
                writer.append(clip.key_frames, clip.positions, number // config.per_class, clip.inserted_at)


def finish_snapshots(config: CondenseConfig, digest: str) -> None:
    """Records the digest of the finished store next to the snapshots of its run, if there are any."""
    folder = snapshots_folder(config.out)
    if config.snapshots is None or not _files(folder):
        return
    text = json.dumps({"schema": SCHEMA, "store_digest": digest})
    try:
        write_durably(folder / _RUN, text.encode())
    except OSError as error:
        warnings.warn(
            f"{folder / _RUN} cannot be written ({error.strerror}), so the snapshots cannot be shown",
            stacklevel=2,
        )


def snapshots_of(store: KeyFrameStore) -> dict[int, Path]:
    """Returns the snapshots of the run that made a store, as paths keyed by the number of steps done.

    Raises:
        StoreNotFoundError: there are no snapshots next to the store.
        SettingsError: the snapshots were made by a different run.
    """
    folder = snapshots_folder(str(store.path))
    files = _files(folder)
    if not files:
        raise StoreNotFoundError(
            f"{folder} contains no snapshots of the run that made {store.path}; condense with --snapshots N"
        )
    try:
        run = read_json(folder / _RUN, MOST_RESULT_BYTES)
    except (OSError, ValueError):
        run = None
    if not isinstance(run, dict) or run.get("store_digest") != store.attributes["digest"]:
        raise SettingsError(
            f"the snapshots in {folder} are not from the run that made {store.path}; condense again with "
            "--snapshots N --overwrite"
        )
    return files
