"""Finds the real clips that belong to a store, from its provenance and the caller's options."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dfs_store.errors import SettingsError
from dfs_store.format import KeyFrameStore, open_store
from dfs_store.format.source_paths import source_name
from dfs_store.videos.files.catalogue import CATALOGUE, DatasetInfo
from dfs_store.videos.files.source import found_beside, source_of
from dfs_store.videos.opening import describe, open_videos

if TYPE_CHECKING:
    from dfs_store.loaders import DFSDataset
    from dfs_store.loaders.normalization import NormalizationOption
    from dfs_store.loaders.rebuild import Layout
    from dfs_store.videos.dataset import VideoDataset

__all__ = [
    "StoreVideos",
    "clips_named_by",
    "clips_of_store",
    "clips_to_test_on",
    "name_of",
    "test_videos",
]

StorePath = str | os.PathLike[str]
# Arguments of `open_videos` and `find_clips`, and the names of the settings that provide them.
_NAMED_BY = {
    "name_or_folder": "dataset",
    "root": "root",
    "classes": "classes",
    "test_list": "test_list",
    "class_names": "class_names",
    "folder_layout": "folder_layout",
    "official_split": "split",
}


@dataclass(frozen=True)
class StoreVideos:
    """Options that select the real clips to open, named as in `CondenseConfig`.

    Attributes:
        split_declared: whether the user specified the official split with --split because the store does not
            record it.
        normalization: normalization of the clips, as in `open_videos`.
    """

    dataset: str
    root: str | None = None
    frames: int | None = None
    stride: int | None = None
    size: int | None = None
    split: int | None = None
    classes: tuple[str, ...] | None = None
    hold_out: float | None = None
    split_declared: bool = False
    test_list: str | None = None
    class_names: str | None = None
    folder_layout: str | None = None
    decoder: str | None = None
    normalization: Any = "imagenet"


def clips_named_by(settings: object) -> dict[str, Any]:
    """Returns the settings that select clips, as arguments of `open_videos` and `find_clips`.

    Args:
        settings: a `CondenseConfig`, or any object with some of its fields.
    """
    named = {argument: getattr(settings, name, None) for argument, name in _NAMED_BY.items()}
    return named | {"official_split": named["official_split"] or 1}


def name_of(dataset: str) -> str:
    """Returns a dataset's name for results. A folder named like a catalogue entry NAME becomes ./NAME."""
    name = source_name(os.path.abspath(os.path.expanduser(dataset)))
    return dataset if dataset in CATALOGUE else f"./{name}" if name in CATALOGUE else name


def test_videos(
    store_or_dataset: "StorePath | KeyFrameStore | DFSDataset",
    *,
    dataset: StorePath | None = None,
    root: StorePath | None = None,
    split: int | None = None,
    hold_out: float | None = None,
    layout: "Layout | None" = None,
    normalization: "NormalizationOption" = "stored",
    **options: Any,  # noqa: ANN401 - passed on to `open_videos`
) -> "VideoDataset":
    """Opens the real test clips that belong to a store, to test networks that were trained on it.

    The clips have the store's sampling, official split, classes, labels and normalisation. If a `DFSDataset`
    is passed, the clips have the normalisation, layout and number of frames of its clips. Clips that are not
    in the cache are decoded first.

    Args:
        store_or_dataset: a path or URL, an open store, or a `DFSDataset`.
        dataset: name in the catalogue, folder or list. Defaults to the dataset that the store records.
        root: folder of the dataset, see `open_videos`.
        split: number of the official split, if the store does not record it.
        hold_out: fraction of the training clips that `dfs condense --hold-out` held out, to test on
            those clips.
        layout: "CTHW" or "TCHW". Defaults to the layout of the `DFSDataset`, or to "CTHW" for a store.
        normalization: "stored" for the normalisation of the store or the `DFSDataset`; for other values, see
            `open_videos`.
        **options: further options of `open_videos`, such as `transform`, `random_starts`, `workers`,
            `cache_dir` and `on_progress`.

    Raises:
        SettingsError: the store does not record its dataset, the clips' classes differ from the store's, or
            the store may have been made from these clips.
        DatasetNotFoundError: the videos are not at the recorded path.
        EmptyClassError: there are no test clips.
        StoreNotFoundError, NotAStoreError, DamagedStoreError, NewerFormatError: see `open_store`.
    """
    if isinstance(store_or_dataset, str | os.PathLike):
        given = {"dataset": dataset, "root": root, "split": split, "hold_out": hold_out, "layout": layout}
        with open_store(store_or_dataset) as store:
            return test_videos(store, normalization=normalization, **given, **options)  # type: ignore[arg-type]
    lists = ("test_list", "class_names", "folder_layout", "decoder")
    asked = StoreVideos(
        "" if dataset is None else os.fspath(dataset),
        None if root is None else os.fspath(root),
        split=split,
        hold_out=hold_out,
        **{name: options.pop(name, None) for name in lists},
    )
    stores = [store_or_dataset] if isinstance(store_or_dataset, KeyFrameStore) else store_or_dataset.stores
    found = _agreed([clips_to_test_on(store, asked) for store in stores], stores)
    if normalization == "stored":
        normalization = store_or_dataset.normalization
    if layout is None:
        layout = "CTHW" if isinstance(store_or_dataset, KeyFrameStore) else store_or_dataset.layout
    videos = open_videos(
        split="test" if hold_out is None else "train",
        **clips_named_by(found),
        frames=found.frames,
        stride=found.stride,
        size=found.size,
        decoder=found.decoder or "auto",
        layout=layout,
        normalization=normalization,
        **options,
    )
    if hold_out is not None:
        _, videos = videos.hold_out(hold_out)
    return videos.matched(stores[0].class_names, store_or_dataset.num_frames)


test_videos.__test__ = False  # type: ignore[attr-defined]  # keeps pytest from collecting it as a test


def _agreed(found: Sequence[StoreVideos], stores: Sequence[KeyFrameStore]) -> StoreVideos:
    for other, store in zip(found[1:], stores[1:], strict=True):
        for name in ("dataset", "frames", "stride", "size", "split"):
            one, another = getattr(found[0], name), getattr(other, name)
            if one != another:
                raise SettingsError(
                    f"the stores have different test clips: {name} is {one!r} for {stores[0].path} and "
                    f"{another!r} for {store.path}; call test_videos for one store at a time"
                )
    return found[0]


def clips_of_store(store: KeyFrameStore, asked: StoreVideos) -> StoreVideos:
    """Completes options with values recorded in a store, so that the real clips match the store's.

    Raises:
        SettingsError: neither `asked` nor the store names a dataset.
        DatasetNotFoundError: the store names a folder that does not exist.
    """
    settings: dict[str, Any] = store.provenance_object("config")
    recorded = store.provenance.get("dataset")
    dataset = asked.dataset or source_of(store)
    # The store's records apply to its own dataset only.
    same = asked.dataset in ("", recorded)
    same = same or os.path.abspath(os.path.expanduser(asked.dataset)) == found_beside(store, recorded)
    reading: dict[str, Any] = {
        name: getattr(asked, name) or (found_beside(store, settings.get(name)) if same else None)
        for name in ("test_list", "class_names")
    }
    reading["folder_layout"] = asked.folder_layout or (settings.get("folder_layout") if same else None)
    return StoreVideos(
        dataset,
        asked.root,
        asked.frames or store.num_frames,
        asked.stride or settings.get("stride"),
        asked.size or store.frame_shape[1],
        asked.split or settings.get("split"),
        asked.classes or tuple(store.class_names),
        asked.hold_out,
        **reading,
        decoder=asked.decoder or settings.get("decoder"),
        normalization=store.normalization,
    )


def clips_to_test_on(store: KeyFrameStore, asked: StoreVideos) -> StoreVideos:
    """Like `clips_of_store`, but rejects test clips that the store may have been made from.

    Raises:
        SettingsError: neither `asked` nor the store names a dataset; the store was not condensed with the
            same held-out share; or it was made from a different or unknown official split.
    """
    videos = clips_of_store(store, asked)
    _check_hold_out(store, asked.hold_out)
    info = describe(videos.dataset)
    if info.official_splits == 1:
        return replace(videos, split=asked.split)
    return _of_split(store, videos, info, asked.split)


def _check_hold_out(store: KeyFrameStore, share: float | None) -> None:
    settings = store.provenance_object("config")
    if share is None or settings.get("hold_out") == share:
        return
    if "hold_out" not in settings:
        made = f"does not record that it was condensed with --hold-out {share:g}"
    elif settings["hold_out"] is None:
        made = "was condensed with all training clips"
    else:
        made = f"was condensed with --hold-out {settings['hold_out']}"
    raise SettingsError(
        f"{store.path} {made}, so it may have been made from the clips to test on; condense with "
        f"--hold-out {share:g} first"
    )


def _of_split(store: KeyFrameStore, videos: StoreVideos, info: DatasetInfo, asked: int | None) -> StoreVideos:
    """Returns options with the official split. Test clips of one split can be training clips of another."""
    source = CATALOGUE.get(str(store.provenance.get("dataset")))
    if source is not None and source.layout != info.layout:
        return replace(videos, split=asked or 1)  # made from other videos
    own = store.provenance_object("config").get("split") if source is not None else None
    if not isinstance(own, int):
        if asked is None:
            raise SettingsError(
                f"{store.path} does not record which official split of {info.name} it was made from. The "
                "test clips of any other split include clips that it was made from; if you know the split, "
                "add --split N"
            )
        return replace(videos, split=asked, split_declared=True)
    if asked not in (None, own):
        raise SettingsError(
            f"{store.path} was condensed from split {own}, and the test clips of split {asked} include "
            f"training clips of split {own}; leave out --split, or condense with --split {asked}"
        )
    return replace(videos, split=own)
