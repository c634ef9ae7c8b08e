"""Exports a store's rebuilt clips to formats that other programs read."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dfs_store.errors import SettingsError
from dfs_store.exchange.exports.clips import ExportedClips, OnProgress
from dfs_store.exchange.exports.encode import DEFAULT_FPS, H264, LOSSLESS, check_fps
from dfs_store.exchange.exports.names import folder_names
from dfs_store.exchange.exports.output import MANIFEST, output_path, write_json
from dfs_store.exchange.exports.to_croissant import write_croissant
from dfs_store.exchange.exports.to_folders import write_frames, write_videos
from dfs_store.exchange.exports.to_huggingface import write_huggingface
from dfs_store.exchange.exports.to_npz import FLOAT32, UINT8, write_npz
from dfs_store.exchange.exports.to_webdataset import NPY, write_shards
from dfs_store.format import open_store
from dfs_store.names import known_name

__all__ = ["KINDS", "ExportSettings", "Exported", "export_store"]

# The export formats, each with its encodings of clips. The first is the default.
KINDS: dict[str, tuple[str, ...]] = {
    "videos": (H264, LOSSLESS),
    "frames": ("png",),
    "webdataset": (NPY, H264, LOSSLESS),
    "npz": (UINT8, FLOAT32),
    "huggingface": (H264, LOSSLESS),
    "croissant": ("h5",),
}
DEFAULT_SHARD_BYTES = 256 * 2**20
SCHEMA = "dfs.export/1"


@dataclass(frozen=True)
class ExportSettings:
    """Settings of `export_store`.

    Attributes:
        to: the format, a key of `KINDS`.
        encoding: encoding of the clips, one of those listed for the format in `KINDS`; the first if None.
        fps: frames per second. If None, the store's frame rate, or 8 if the store has none.
        shard_bytes: maximum size of a shard in bytes (webdataset only).
        license: licence for the dataset card (huggingface) or the metadata (croissant).
        with_store: whether to include a copy of the store (huggingface only).

    Raises:
        SettingsError: a value is invalid.
    """

    to: str
    encoding: str | None = None
    fps: float | None = None
    shard_bytes: int = DEFAULT_SHARD_BYTES
    license: str = "unknown"
    with_store: bool = True

    def __post_init__(self) -> None:
        known_name(self.to, KINDS, "--to")
        if self.encoding is not None:
            known_name(self.encoding, KINDS[self.to], f"--encoding for --to {self.to}")
        check_fps(self.fps)
        if not self.license.strip():
            raise SettingsError(
                "--license must not be empty; pass a licence, for example cc-by-4.0, other or unknown"
            )


@dataclass(frozen=True)
class Exported:
    """Result of `export_store`.

    Attributes:
        files: number of files.
        bytes: total size of the files in bytes.
        clips: number of clips.
        encoding: encoding of the clips.
        fps: frames per second.
        cut_share: share of the values that were clipped by more than half a grey level; None if no
            values were converted to pixels.
        class_folders: folder name of each class, set even if the format has no folders.
    """

    files: int
    bytes: int
    clips: int
    encoding: str
    fps: float
    cut_share: float | None
    class_folders: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Returns the result as a JSON object."""
        return asdict(self)


def export_store(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: ExportSettings,
    *,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Exported:
    """Writes a store's rebuilt clips, one at a time, in a format that other programs read.

    Args:
        source: path or URL of the store.
        out: a folder, or a file `*.npz` for npz. It is written completely or not at all.
        settings: see `ExportSettings`.
        classes: names of the classes to keep, whose labels are renumbered. Defaults to all.
        overwrite: whether to replace an earlier export.
        on_progress: called with the number of clips written and the total.

    Raises:
        SettingsError: a setting is invalid, or the format does not support the clips.
        ClipTooLargeError: a rebuilt clip exceeds `DFS_MAX_CLIP_BYTES`.
        OutputExistsError: `out` exists, and `overwrite` is False or `out` is not an earlier export.
        OutputNotWritableError, DiskFullError: the output cannot be written.
        StoreNotFoundError, NotAStoreError, NewerFormatError, DamagedStoreError: see `KeyFrameStore`.
    """
    is_file = settings.to == "npz"
    if is_file != (Path(out).suffix == ".npz"):
        needed = "a file that ends in .npz" if is_file else "a folder, not a .npz file"
        raise SettingsError(f"--out for --to {settings.to} must be {needed}, got {os.fspath(out)!r}")
    with open_store(source) as store:
        clips = ExportedClips(store, source, classes, on_progress)
        if not len(clips):
            raise SettingsError(
                f"{os.fspath(source)} has no clips of the classes {', '.join(clips.class_names)} to export; "
                "choose different classes"
            )
        encoding = settings.encoding or KINDS[settings.to][0]
        fps = settings.fps or store.fps or DEFAULT_FPS
        check_fps(fps, os.fspath(source))
        store.check_clip_bytes(store.num_frames)
        with output_path(out, overwrite=overwrite) as path:
            _write(clips, path, settings, encoding, fps)
            files = [path] if is_file else [file for file in path.rglob("*") if file.is_file()]
            done = Exported(
                len(files) + (not is_file),
                sum(file.stat().st_size for file in files),
                len(clips),
                encoding,
                fps,
                clips.num_clipped / clips.num_values if clips.num_values else None,
                folder_names(clips.class_names),
            )
            if not is_file:
                write_json(path / MANIFEST, _manifest(clips, settings, done))
        return done


def _write(clips: ExportedClips, path: Path, settings: ExportSettings, encoding: str, fps: float) -> None:
    match settings.to:
        case "videos":
            write_videos(clips, path, fps=fps, encoding=encoding)
        case "frames":
            write_frames(clips, path, fps=fps)
        case "webdataset":
            write_shards(clips, path, fps=fps, encoding=encoding, max_bytes=settings.shard_bytes)
        case "npz":
            write_npz(clips, path, fps=fps, dtype=encoding)
        case "huggingface":
            write_huggingface(
                clips,
                path,
                fps=fps,
                encoding=encoding,
                license_name=settings.license,
                with_store=settings.with_store,
            )
        case "croissant":
            write_croissant(clips, path, license_name=settings.license)


def _manifest(clips: ExportedClips, settings: ExportSettings, done: Exported) -> dict[str, Any]:
    store = clips.store
    return {
        "schema": SCHEMA,
        "to": settings.to,
        "encoding": done.encoding,
        "fps": done.fps,
        "store_digest": store.attributes["digest"],
        "num_clips": len(clips),
        "num_frames": store.num_frames,
        "frame_shape": list(store.frame_shape),
        "normalization": store.normalization,
        "classes": [
            {"label": label, "class_name": name, "folder": done.class_folders[name]}
            for label, name in enumerate(clips.class_names)
        ],
    }
