"""Opens the real clips that a command names, showing the progress of their preparation."""

from typing import TYPE_CHECKING, Protocol

from . import _output
from .shown.prepare_progress import shown_on

if TYPE_CHECKING:
    from dfs_store.videos import VideoDataset


class VideoSettings(Protocol):
    """The settings that name real clips; `CondenseConfig` has them, and so has `evaluate`.

    Training clips are cut with sampling seed 0 whatever the seed of the run, so that runs share one cache.
    """

    @property
    def dataset(self) -> str:
        """Catalogue name or folder."""

    @property
    def root(self) -> str | None:
        """Where it lies."""

    @property
    def frames(self) -> int | None:
        """T."""

    @property
    def stride(self) -> int | None:
        """Frames between sampled frames."""

    @property
    def size(self) -> int | None:
        """Pixels."""

    @property
    def split(self) -> int | None:
        """Number of the official split."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Subset of the classes."""

    @property
    def hold_out(self) -> float | None:
        """Share of the training clips to hold out."""

    @property
    def decoder(self) -> str | None:
        """Which decoder to use, "auto" when None."""


def open_with_progress(
    settings: VideoSettings,
    part: str,
    *,
    quiet: bool,
    max_memory: int | None = None,
    random_starts: int = 0,
    seed: int = 0,
) -> "VideoDataset":
    """Opens the "train" or "test" part, decoding it first if it is not in the cache.

    Test clips get `random_starts` views from random starts, which depend on the seed.
    """
    from dfs_store import open_videos

    with _output.Progress(f"prepare {part}", quiet=quiet) as progress:
        videos = open_videos(
            settings.dataset,
            settings.root,
            part,
            frames=settings.frames,
            stride=settings.stride,
            size=settings.size,
            classes=settings.classes,
            official_split=settings.split or 1,
            random_starts=random_starts,
            seed=seed,
            max_memory=max_memory,
            decoder=settings.decoder or "auto",
            on_progress=shown_on(progress),
        )
    if not quiet:
        _warn(videos)
    return videos


def _warn(videos: "VideoDataset") -> None:
    if videos.missing:
        _output.note(
            f"note: {len(videos.missing):,} files of the {videos.split} list are not there, "
            f"first {videos.missing[0]}"
        )
    if videos.failed:
        first = videos.failed[0]
        _output.note(
            f"note: {len(videos.failed):,} files could not be decoded and were left out, "
            f"first {first['file']}: {first['reason']} (`dfs datasets prepare` lists them all)"
        )


def training_videos_bytes(settings: VideoSettings) -> int | None:
    """Returns what the training videos take on disk; None where there are none."""
    from dfs_store.errors import DFSError
    from dfs_store.videos.decode.frame_folder import folder_status
    from dfs_store.videos.opening import describe, find_clips

    if describe(settings.dataset).is_built_in:
        return None
    try:
        found = find_clips(
            settings.dataset, settings.root, classes=settings.classes, official_split=settings.split or 1
        )
        paths = (found.root / clip.file for clip in found.clips)
        return sum(folder_status(path)[0] if path.is_dir() else path.stat().st_size for path in paths)
    except (DFSError, OSError):
        return None


def describe_videos(settings: VideoSettings) -> tuple[dict[str, int], int, tuple[int, int, int]]:
    """Returns the number of training clips by class name, T and (C, H, W), without decoding anything.

    Clips that are held out are not counted.
    """
    from dfs_store.videos.built_in import BUILT_IN
    from dfs_store.videos.files.hold_out import group_of_file, held_out_groups
    from dfs_store.videos.opening import describe, find_clips, resolve_sampling

    info = describe(settings.dataset)
    sampling = resolve_sampling(info, frames=settings.frames, stride=settings.stride, size=settings.size)
    if info.is_built_in:
        generator = BUILT_IN[info.name]
        kept = settings.classes or generator.class_names
        generator.check_class_names(kept)
        groups = {name: [str(n) for n in range(generator.train_clips_per_class)] for name in kept}
    else:
        found = find_clips(
            settings.dataset, settings.root, classes=settings.classes, official_split=settings.split or 1
        )
        groups = {name: [] for name in found.classes}
        for clip in found.clips:
            groups[clip.class_name].append(group_of_file(info.layout, clip.class_name, clip.file))
    if settings.hold_out is not None:
        held = {name: held_out_groups(name, each, settings.hold_out) for name, each in groups.items()}
        groups = {name: [group for group in groups[name] if group not in held[name]] for name in groups}
    numbers = {name: len(each) for name, each in groups.items()}
    return numbers, sampling.frames, (3, sampling.size, sampling.size)
