"""`open_videos`: opens the clips of a dataset, folder or list, and prepares them if necessary."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.errors import DatasetNotFoundError, DFSError, SettingsError
from dfs_store.names import did_you_mean
from dfs_store.videos.cache.prepare import OnProgress, prepare, prepare_shard
from dfs_store.videos.cache.shards import Shard, ShardReport
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.catalogue import CATALOGUE, FOLDER, LIST, DatasetInfo
from dfs_store.videos.files.cliplist import ClipList, check_classes, keep_classes, number_as
from dfs_store.videos.files.layouts import READERS
from dfs_store.videos.files.reading import READING, PathLike, Reading
from dfs_store.videos.sources import CachedClips, GeneratedClips

if TYPE_CHECKING:
    from dfs_store.loaders.rebuild import Layout
    from dfs_store.videos.dataset import VideoDataset, VideoNormalization

__all__ = [
    "check_part",
    "dataset_name",
    "describe",
    "find_clips",
    "open_shard",
    "open_videos",
    "resolve_sampling",
]

SPLITS = ("train", "test")


def open_videos(
    name_or_folder: PathLike,
    root: PathLike | None = None,
    split: str = "train",
    *,
    frames: int | None = None,
    stride: int | None = None,
    size: int | None = None,
    resize: str | None = None,
    seed: int = 0,
    random_starts: int = 0,
    classes: Iterable[str] | None = None,
    official_split: int = 1,
    test_list: PathLike | None = None,
    class_names: PathLike | Sequence[str] | None = None,
    folder_layout: str | None = None,
    clips_per_class: int | None = None,
    workers: int | None = None,
    max_memory: int | None = None,
    decoder: str = "auto",
    cache_dir: PathLike | None = None,
    layout: "Layout" = "CTHW",
    normalization: "VideoNormalization" = "imagenet",
    transform: Callable[[Any], Any] | None = None,
    on_progress: OnProgress | None = None,
) -> "VideoDataset":
    """Opens real clips, decoding them into the cache first if they are not prepared.

    Args:
        name_or_folder: name in the catalogue, folder of class folders, or list of videos and their classes
            (docs/guides/own-dataset.md describes the formats).
        root: folder of the dataset; if None, DFS_DATA/<name> or DFS_DATA. For a list, the folder that its
            paths are relative to, by default the list's own folder.
        split: "train" or "test". In both, classes are numbered as in the training clips.
        frames: T, the number of frames per clip; the dataset's default if None.
        stride: distance between sampled frames; the dataset's default if None.
        size: height and width in pixels; the dataset's default if None.
        resize: how frames are resized (see `Sampling`); the dataset's default if None.
        seed: seed of the random starts; the same seed selects the same clips.
        random_starts: number of additional views of every test clip, each from a random start. Evaluation
            with the protocol `paper` uses three per run. Each view needs as much space in the cache as the
            centre view. Ignored by built-in datasets, and by sampling rules without random starts.
        classes: names of the classes to keep; all if None.
        official_split: number of the official split of UCF101 or HMDB51, from 1 to 3.
        test_list: for a list, the list of its test clips.
        class_names: for a list whose labels are numbers, the class names or a file that contains them.
        folder_layout: "classes" to treat all subfolders as classes, whatever their names.
        clips_per_class: number of clips per class to generate for a built-in dataset.
        workers: number of decoding processes; the number of cores if None.
        max_memory: memory limit of all decoding processes together in bytes; 4 GiB each if None.
        decoder: "pyav", "decord", or "auto", which uses decord if PyAV cannot decode any frame of a file.
            Each decoder has its own prepared clips.
        cache_dir: folder of prepared clips; if None, DFS_CACHE, or ~/.cache/dfs-store if that is not set.
        layout: layout of a clip, "CTHW" or "TCHW".
        normalization: "imagenet"; None for pixels in [0, 1]; or (mean, std) or {"mean": mean, "std": std} for
            (pixel - mean) / std, where mean and std are a number or one number per channel.
        transform: called with each clip as a normalised float32 `torchvision.tv_tensors.Video` (T, C, H, W),
            as in `DFSDataset`; must return a four-dimensional tensor in the same order.
        on_progress: called with a `PrepareProgress` about ten times a second while decoding.

    Raises:
        DatasetNotFoundError: there is no such dataset, or its files were not found.
        EmptyClassError: a class would have no clips.
        SettingsError: an option is invalid.
        DiskFullError, OutputNotWritableError: the clips cannot be written to the cache.
    """
    from dfs_store.videos.dataset import ClipForm, VideoDataset

    check_part(split)
    info = describe(name_or_folder)
    info.check_official_split(official_split)
    if random_starts < 0:
        raise SettingsError(f"random_starts must be at least 0, got {random_starts}")
    sampling = resolve_sampling(info, frames=frames, stride=stride, size=size, resize=resize)
    form = ClipForm(layout, normalization, transform)
    common: dict[str, Any] = {"split": split, "sampling": sampling, "seed": seed, "form": form}
    chosen: dict[str, Any] = {"classes": classes, "official_split": official_split, "test_list": test_list}
    chosen |= {"class_names": class_names, "folder_layout": folder_layout}
    if info.is_built_in:
        kept = None if classes is None else list(classes)
        made = GeneratedClips(info.name, split, sampling.frames, sampling.size, seed, clips_per_class, kept)
        return VideoDataset(made, name=info.name, **common)
    if clips_per_class is not None:
        raise SettingsError(f"clips_per_class can only be used with a built-in dataset, got {info.name}")
    found = find_clips(name_or_folder, root, split, **chosen)
    name = dataset_name(info, name_or_folder)
    how: dict[str, Any] = {"workers": workers, "max_memory": max_memory, "decoder": decoder}
    how |= {"cache_dir": cache_dir, "on_progress": on_progress}
    entry = prepare(found, sampling, dataset=name, split=split, seed=seed, random_starts=random_starts, **how)
    common |= {"metric": info.metric, "official_split": official_split if info.official_splits > 1 else None}
    common |= {"missing": found.missing, "remarks": found.remarks}
    return VideoDataset(CachedClips(entry, sampling, info.layout), name=name, **common)


def open_shard(
    name_or_folder: PathLike,
    shard: Shard,
    root: PathLike | None = None,
    split: str = "train",
    **how: Any,  # noqa: ANN401 - passed on
) -> ShardReport:
    """Prepares one shard of a dataset's clips (see `prepare_shard`), with the options of `open_videos`.

    Raises:
        SettingsError: the dataset has no files.
        DatasetNotFoundError, EmptyClassError, DiskFullError, OutputNotWritableError: see `open_videos`.
    """
    info = describe(name_or_folder)
    cut = {name: how.pop(name, None) for name in ("frames", "stride", "size", "resize")}
    sampling = resolve_sampling(info, **cut)
    chosen = {name: how.pop(name) for name in READING if name in how}
    found = find_clips(name_or_folder, root, split, **chosen)
    return prepare_shard(
        found, sampling, shard, dataset=dataset_name(info, name_or_folder), split=split, **how
    )


def describe(name_or_folder: PathLike) -> DatasetInfo:
    """Returns the description of a dataset in the catalogue, a folder, or a list.

    Raises:
        DatasetNotFoundError: the argument is not in the catalogue, and is not an existing folder or file.
    """
    name = os.fspath(name_or_folder)
    if name in CATALOGUE:
        return CATALOGUE[name]
    place = Path(name).expanduser()
    if place.is_dir():
        return FOLDER
    if place.is_file():
        return LIST
    raise DatasetNotFoundError(
        f"{name!r} is neither a dataset ({', '.join(CATALOGUE)}) nor an existing folder or list (looked for "
        f"{place.absolute()}). A folder must contain {FOLDER.files}{did_you_mean(name, CATALOGUE)}"
    )


def dataset_name(info: DatasetInfo, name_or_folder: PathLike) -> str:
    """Returns the dataset's name, or the full path of a folder or list."""
    return info.name if info not in (FOLDER, LIST) else str(_place(name_or_folder))


def _place(name_or_folder: PathLike) -> Path:
    """Returns the absolute path of a folder or list. A list that is a symbolic link is not resolved."""
    path = Path(name_or_folder).expanduser()
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def resolve_sampling(
    info: DatasetInfo,
    *,
    frames: int | None = None,
    stride: int | None = None,
    size: int | None = None,
    resize: str | None = None,
) -> Sampling:
    """Returns the dataset's sampling with some values replaced.

    Raises:
        SettingsError: a value is invalid.
    """
    asked: dict[str, Any] = {"frames": frames, "stride": stride, "size": size, "resize": resize}
    return replace(info.sampling, **{name: value for name, value in asked.items() if value is not None})


def find_clips(
    name_or_folder: PathLike,
    root: PathLike | None = None,
    split: str = "train",
    *,
    classes: Iterable[str] | None = None,
    official_split: int = 1,
    test_list: PathLike | None = None,
    class_names: PathLike | Sequence[str] | None = None,
    folder_layout: str | None = None,
) -> ClipList:
    """Returns the videos of one split without decoding any, which is fast enough for a dry run.

    Raises:
        DatasetNotFoundError, EmptyClassError, SettingsError: see `open_videos`.
    """
    check_part(split)
    info = describe(name_or_folder)
    info.check_official_split(official_split)
    how = Reading(
        root=root,
        official_split=official_split,
        test_list=test_list,
        class_names=class_names,
        folder_layout=folder_layout,
        classes=None if classes is None else tuple(classes),
    )
    how.check_fits({"folders": "folder"}.get(info.layout, info.layout), os.fspath(name_or_folder))
    if info.is_built_in:
        raise SettingsError(f"{info.name} has no files, because its clips are generated from a seed")
    places = [_place(name_or_folder)] if info in (FOLDER, LIST) else _candidates(info, root)
    found = _read(info, places, split, how)
    if info.needs_all_classes:
        if absent := sorted(set(info.classes) - set(found.classes)):
            raise DatasetNotFoundError(
                f"{info.name} has {len(info.classes)} classes, but {found.root} lacks {len(absent)}: "
                f"{', '.join(absent)}. {_how_to_get(info)}"
            )
        found = keep_classes(found, info.classes)
    if how.classes is not None:
        found = keep_classes(found, how.classes)
    check_classes(found, split)
    return found


def _read(info: DatasetInfo, places: list[Path], split: str, how: Reading) -> ClipList:
    """Reads one split. Test clips are labelled with the training clips' class numbers."""
    found = _first_that_reads(info, places, split, how)
    if split == "train":
        return found
    try:
        training = _first_that_reads(info, places, "train", how)
    except DatasetNotFoundError as error:
        found.remarks.append(
            f"the classes are numbered by the test clips alone, because there are no training clips: {error}"
        )
        return found
    return number_as(found, training)


def check_part(split: str) -> None:
    """Raises SettingsError unless the split is "train" or "test"."""
    if split not in SPLITS:
        number = "; use official_split for the number of an official split" if str(split).isdecimal() else ""
        raise SettingsError(f"split must be train or test, got {split!r}{number}")


def _candidates(info: DatasetInfo, root: PathLike | None) -> list[Path]:
    if root is not None:
        return [Path(root)]
    base = os.environ.get("DFS_DATA")
    if not base:
        raise DatasetNotFoundError(
            f"the folder of {info.name} is unknown; pass it with --root (root=), or set DFS_DATA to the "
            f"folder that contains it. {_how_to_get(info)}"
        )
    return [*(Path(base, name) for name in info.folder_names), Path(base)]


def _first_that_reads(info: DatasetInfo, places: list[Path], split: str, how: Reading) -> ClipList:
    reasons = []
    for place in (path.expanduser().resolve() if info is not LIST else path for path in places):
        if not place.exists():
            reasons.append(f"there is no folder {place}")
            continue
        try:
            return READERS[info.layout](place, split, how)
        except DatasetNotFoundError as error:
            reasons.append(str(error))
        except DFSError:
            raise
        except (OSError, RecursionError) as error:
            reasons.append(f"the files in {place} cannot be read ({type(error).__name__}: {error})")
    found = "; ".join(reasons)
    if info in (FOLDER, LIST):
        raise DatasetNotFoundError(found)
    raise DatasetNotFoundError(f"{info.name} was not found: {found}. {_how_to_get(info)}")


def _how_to_get(info: DatasetInfo) -> str:
    get = f"Get it from {info.source}. " if info.source else ""
    return f"{get}Expected files: {info.files}"
