"""Reads dense clips from class folders of real videos, class folders of images, or an earlier export."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.exchange.exports.output import MANIFEST
from dfs_store.exchange.imports.dense import DenseClips
from dfs_store.exchange.imports.labels import class_names_of
from dfs_store.exchange.pixels import Normalization
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json
from dfs_store.names import counted

if TYPE_CHECKING:
    from dfs_store.videos import VideoDataset
    from dfs_store.videos.cache.prepare import OnProgress

__all__ = ["FolderOptions", "read_folder"]


@dataclass(frozen=True)
class FolderOptions:
    """How to sample clips from videos. Options that are None take the folder's defaults.

    Attributes:
        frames: T, the number of frames per clip.
        stride: distance between sampled frames, in frames.
        size: height and width in pixels.
        resize: see `dfs_store.videos.Sampling`.
        classes: classes to keep, see `class_names_of`.
    """

    frames: int | None = None
    stride: int | None = None
    size: int | None = None
    resize: str | None = None
    classes: str | None = None


def read_folder(folder: Path, options: FolderOptions, on_progress: "OnProgress | None" = None) -> DenseClips:
    """Decodes the videos in a folder into the cache, and returns the clips.

    For a folder written by `dfs export`, the sampling, class names and normalization match those of the
    exported store.

    Raises:
        DFSError: see `dfs_store.open_videos`.
    """
    from dfs_store import open_videos

    exported = _manifest(folder)
    names: dict[str, str] = exported.get("classes", {})
    sampling = _sampling(options, exported)
    kept = class_names_of(options.classes)
    if kept is not None:
        folders = {name: place for place, name in names.items()}
        kept = [folders.get(name, name) for name in kept]
    if exported and kept is None:
        kept = list(names)
    # In a Hugging Face export, key_frames contains the same clips, but not all of their frames.
    root = folder / "train" if exported.get("to") == "huggingface" else folder
    # The manifest of an export lists the class folders.
    layout = "classes" if exported and all((root / name).is_dir() for name in names) else None
    videos = open_videos(root, classes=kept, folder_layout=layout, on_progress=on_progress, **sampling)
    order = {name: number for number, name in enumerate(names)}
    places = sorted(videos.classes, key=lambda place: (order.get(place, len(order)), place))
    labels = [places.index(videos.classes[label]) for label in videos.targets]
    return DenseClips(
        name=folder.name,
        clips=lambda: (videos.pixels[clip, 0].transpose(0, 3, 1, 2) for clip in range(len(videos))),
        num_frames=videos.num_frames,
        frame_shape=videos.frame_shape,
        are_pixels=True,
        labels=labels,
        class_names=[names.get(place, place) for place in places],
        normalization=_normalization(exported),
        fps=videos.fps,
        provenance={
            "source": {"folder": root.resolve().name, "layout": "class folders"},
            "sampling": asdict(videos.sampling),
            "source_bytes": videos.source_bytes(),
            **({"exported_from": exported["store_digest"]} if exported else {}),
        },
        sources=[videos.source(clip) for clip in range(len(videos))],
        notes=_notes(videos, exported if options.size is None else {}),
    )


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        content = read_json(folder / MANIFEST, MOST_RESULT_BYTES)
        classes = {str(each["folder"]): str(each["class_name"]) for each in content["classes"]}
        num_frames, (channels, height, width) = int(content["num_frames"]), content["frame_shape"]
        digest, normalization = str(content["store_digest"]), content["normalization"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        "to": content.get("to"),
        "classes": classes,
        "num_frames": num_frames,
        "size": height if height == width else None,
        "sides": (height, width),
        "store_digest": digest,
        # A store with one channel is exported as grey RGB videos.
        "normalization": normalization if channels == 3 else None,
    }


def _sampling(options: FolderOptions, exported: dict[str, Any]) -> dict[str, Any]:
    given = {key: getattr(options, key) for key in ("frames", "stride", "size", "resize")}
    if not exported:
        return given
    own = {"frames": exported["num_frames"], "stride": 1, "size": exported["size"], "resize": None}
    if own["size"] is not None and given["size"] in (None, own["size"]):
        own["resize"] = "direct"  # keeps the exported size, so that no pixel changes
    return {key: own[key] if value is None else value for key, value in given.items()}


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
            f"frames were resized from {own[0]}x{own[1]} to {sides[0]}x{sides[1]} pixels, because imported "
            "videos are square; export with --to npz to keep the shape"
        )
    if videos.failed:
        first = videos.failed[0]
        notes.append(
            f"{counted(len(videos.failed), 'file')} skipped because decoding failed; the first is "
            f"{first['file']}: {first['reason']}"
        )
    return notes
