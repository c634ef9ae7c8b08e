"""Dense clips from a folder of class folders: real videos, folders of pictures, or an earlier export."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.errors import SettingsError
from dfs_store.exchange.exports.output import MANIFEST
from dfs_store.exchange.imports.arrays import Array
from dfs_store.exchange.imports.dense import DenseClips
from dfs_store.exchange.imports.labels import class_names_of
from dfs_store.exchange.pixels import Normalization
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json

if TYPE_CHECKING:
    from dfs_store.videos import VideoDataset
    from dfs_store.videos.cache.prepare import OnProgress

__all__ = ["FolderOptions", "read_folder"]


@dataclass(frozen=True)
class FolderOptions:
    """How clips are cut from videos; the folder's own way where None.

    Attributes:
        frames: T.
        stride: frames between sampled frames.
        size: pixels.
        resize: see `dfs_store.videos.Sampling`.
        classes: names of the classes to keep, see `class_names_of`.
    """

    frames: int | None = None
    stride: int | None = None
    size: int | None = None
    resize: str | None = None
    classes: str | None = None


def read_folder(folder: Path, options: FolderOptions, on_progress: "OnProgress | None" = None) -> DenseClips:
    """Opens the videos of a folder, decoding them into the cache first.

    A folder that `dfs export` made says itself how its clips are cut, what its classes are called and how its
    store was normalised.

    Raises:
        DFSError: as `dfs_store.open_videos`.
    """
    from dfs_store import open_videos

    exported = _manifest(folder)
    sampling, names = _sampling(options, exported), _true_names(exported)
    kept = class_names_of(options.classes)
    if kept is not None:
        folders = {name: place for place, name in names.items()}
        kept = [folders.get(name, name) for name in kept]
    if exported and kept is None:
        kept = list(names)
    # An export says itself what its folders are.
    layout = "classes" if exported and all((folder / name).is_dir() for name in names) else None
    videos = open_videos(folder, classes=kept, folder_layout=layout, on_progress=on_progress, **sampling)
    if videos.num_views != 1:
        raise SettingsError(f"{folder}: only training clips are imported")
    order = {name: number for number, name in enumerate(names)}
    places = sorted(videos.classes, key=lambda place: (order.get(place, len(order)), place))
    labels = [places.index(videos.classes[label]) for label in videos.targets]
    return DenseClips(
        clips=lambda: _clips(videos),
        num_frames=videos.num_frames,
        frame_shape=videos.frame_shape,
        are_pixels=True,
        labels=labels,
        class_names=[names.get(place, place) for place in places],
        normalization=_normalization(exported),
        fps=videos.fps,
        provenance={
            "source": {"folder": folder.resolve().name, "layout": "class folders"},
            "sampling": asdict(videos.sampling),
            "source_bytes": videos.source_bytes(),
            **({"exported_from": exported["store_digest"]} if exported else {}),
        },
        sources=[videos.source(clip) for clip in range(len(videos))],
        notes=_notes(videos, exported if options.size is None else {}),
    )


def _clips(videos: "VideoDataset") -> Iterator[Array]:
    for clip in range(len(videos)):
        yield videos.pixels[clip, 0].transpose(0, 3, 1, 2)


def _manifest(folder: Path) -> dict[str, Any]:
    """Returns what an earlier export says about itself, {} of other folders."""
    try:
        content = read_json(folder / MANIFEST, MOST_RESULT_BYTES)
        classes = {str(each["folder"]): str(each["class_name"]) for each in content["classes"]}
        num_frames, (channels, height, width) = int(content["num_frames"]), content["frame_shape"]
        digest, normalization = str(content["store_digest"]), content["normalization"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        "classes": classes,
        "num_frames": num_frames,
        "size": height if height == width else None,
        "sides": (height, width),
        "store_digest": digest,
        # A store of one channel is grey in a video of three.
        "normalization": normalization if channels == 3 else None,
    }


def _sampling(options: FolderOptions, exported: dict[str, Any]) -> dict[str, Any]:
    given = {key: getattr(options, key) for key in ("frames", "stride", "size", "resize")}
    if not exported:
        return given
    own = {"frames": exported["num_frames"], "stride": 1, "size": exported["size"], "resize": None}
    if own["size"] is not None and given["size"] in (None, own["size"]):
        own["resize"] = "direct"  # at its own size, so that no pixel is touched
    return {key: own[key] if value is None else value for key, value in given.items()}


def _true_names(exported: dict[str, Any]) -> dict[str, str]:
    names: dict[str, str] = exported.get("classes", {})
    return names


def _normalization(exported: dict[str, Any]) -> Normalization | None:
    given: Any = exported.get("normalization")
    try:
        found = {key: [float(number) for number in given[key]] for key in ("mean", "std")}
    except (KeyError, TypeError, ValueError):
        return None
    return found if all(len(each) == 3 for each in found.values()) and min(found["std"]) > 0 else None


def _notes(videos: "VideoDataset", exported: dict[str, Any]) -> list[str]:
    notes = []
    sides, own = videos.frame_shape[1:], exported.get("sides")
    if own is not None and own != sides:
        notes.append(
            f"the exported clips have frames of {own[0]}x{own[1]} pixels, these {sides[0]}x{sides[1]}: "
            "videos are scaled to squares; --to npz keeps clips of any shape as they are"
        )
    if videos.failed:
        first = videos.failed[0]
        notes.append(
            f"{len(videos.failed):,} files could not be decoded and were left out, first {first['file']}: "
            f"{first['reason']}"
        )
    return notes
