"""Which real clips belong to a store: what its provenance says, unless flags say otherwise."""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore
    from dfs_store.videos import DatasetInfo


@dataclass(frozen=True)
class StoreVideos:
    """Which real clips to open, named as the settings of `CondenseConfig`.

    `split_declared`: the split comes from --split because the store does not record its own.
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


def name_of(dataset: str) -> str:
    """Returns what a result calls a dataset: a folder's own name, told apart from those of the catalogue."""
    from dfs_store.format.source_paths import source_name
    from dfs_store.videos import CATALOGUE

    name = source_name(os.path.abspath(os.path.expanduser(dataset)))
    return dataset if dataset in CATALOGUE else f"./{name}" if name in CATALOGUE else name


def clip_flags(settings: object, *names: str) -> list[str]:
    """Returns the flags that give settings of real clips as they are in `settings`, if they are given."""
    from dfs_store.condense.settings import flag_of

    words = []
    for name in names:
        value = getattr(settings, name)
        if value is not None:
            words += [flag_of(name), ",".join(value) if isinstance(value, tuple | list) else f"{value}"]
    return words


def clips_of_store(store: "KeyFrameStore", asked: StoreVideos) -> StoreVideos:
    """Fills in, from the store, how real clips must be cut to match its clips.

    Raises:
        SettingsError: neither the flags nor the store name a dataset.
        DatasetNotFoundError: the store names a folder that is not there.
    """
    from dfs_store.videos.files.source import found_beside, source_of

    settings: dict[str, Any] = store.provenance_object("config")
    recorded = (store.attributes.get("provenance") or {}).get("dataset")
    dataset = asked.dataset or source_of(store)
    # What the store records of its own dataset says nothing of another.
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
    )


def clips_to_test_on(store: "KeyFrameStore", asked: StoreVideos) -> StoreVideos:
    """As `clips_of_store`, and refuses clips that may have gone into the store.

    Raises:
        SettingsError: neither the flags nor the store name a dataset; the store was not condensed with the
            same share held out; or the store was made from another official split, or from an unknown one.
    """
    from dfs_store.videos.opening import describe

    videos = clips_of_store(store, asked)
    _check_hold_out(store, asked.hold_out)
    info = describe(videos.dataset)
    if info.official_splits == 1:
        return replace(videos, split=asked.split)
    return _of_split(store, videos, info, asked.split)


def _check_hold_out(store: "KeyFrameStore", share: float | None) -> None:
    from dfs_store.errors import SettingsError

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
        f"{store.path} {made}: the clips to test on may have gone into it. Condense with "
        f"--hold-out {share:g} first"
    )


def _of_split(
    store: "KeyFrameStore", videos: StoreVideos, info: "DatasetInfo", asked: int | None
) -> StoreVideos:
    """Chooses the official split; test clips of one split are training clips of another."""
    from dfs_store.errors import SettingsError
    from dfs_store.videos import CATALOGUE

    source = CATALOGUE.get(str((store.attributes.get("provenance") or {}).get("dataset")))
    if source is not None and source.layout != info.layout:
        return replace(videos, split=asked or 1)  # made from other videos
    own = store.provenance_object("config").get("split") if source is not None else None
    if not isinstance(own, int):
        if asked is None:
            raise SettingsError(
                f"{store.path} does not record which official split of {info.name} it was made from, and a "
                "test on another split would include clips that went into it; if you know the split, add "
                "--split N"
            )
        return replace(videos, split=asked, split_declared=True)
    if asked not in (None, own):
        raise SettingsError(
            f"{store.path} was condensed from split {own}: the test clips of split {asked} include training "
            f"clips of split {own}. Leave out --split, or condense with --split {asked}"
        )
    return replace(videos, split=own)
