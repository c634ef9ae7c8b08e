"""Which real clips belong to a store: what its provenance says, unless flags say otherwise."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore


@dataclass(frozen=True)
class RealClips:
    """Which real clips to open; see `_videos.VideoSettings`."""

    dataset: str
    root: str | None
    frames: int | None
    stride: int | None
    size: int | None
    split: int | None
    classes: tuple[str, ...] | None
    hold_out: float | None = None


def clips_of_store(store: "KeyFrameStore", asked: RealClips) -> RealClips:
    """Fills in, from the store, how real clips must be cut to match its clips.

    Raises:
        SettingsError: neither the flags nor the store name a dataset, or the store was condensed from clips
            that would be held out.
    """
    from dfs_store.errors import SettingsError

    provenance = store.attributes.get("provenance") or {}
    settings: dict[str, Any] = store.provenance_object("config")
    dataset = asked.dataset or provenance.get("dataset")
    if not dataset:
        raise SettingsError(
            f"{store.path} does not say which dataset it came from; add --dataset NAME|FOLDER"
        )
    without = settings.get("hold_out")
    if asked.hold_out is not None and asked.hold_out != without:
        made = "all training clips" if without is None else f"--hold-out {without:g}"
        raise SettingsError(
            f"{store.path} was condensed with {made}: --hold-out {asked.hold_out:g} would test on clips that "
            f"went into it. Condense with --hold-out {asked.hold_out:g} first"
        )
    own_split = settings.get("split") or 1
    if asked.hold_out is not None and (asked.split or own_split) != own_split:
        raise SettingsError(
            f"{store.path} was condensed from split {own_split}: clips held out of split {asked.split} may "
            "have gone into it. Leave out --split"
        )
    return RealClips(
        dataset,
        asked.root,
        asked.frames or store.num_frames,
        asked.stride or settings.get("stride"),
        asked.size or store.frame_shape[1],
        asked.split or settings.get("split"),
        asked.classes or tuple(store.class_names),
        asked.hold_out,
    )
