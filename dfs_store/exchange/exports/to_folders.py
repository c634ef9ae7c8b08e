"""Exports class folders with one MP4 per clip or one PNG per frame."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from dfs_store.exchange.exports.clips import ClipToExport, ExportedClips
from dfs_store.exchange.exports.encode import encode_png, encode_video
from dfs_store.exchange.exports.names import folder_names
from dfs_store.exchange.exports.output import write_bytes, write_json

__all__ = ["json_line", "write_frames", "write_key_frames", "write_videos"]

CLIP_LIST = "clips.jsonl"
KEY_FRAMES = "key_frames.json"


def write_videos(
    clips: ExportedClips, folder: Path, *, fps: float, encoding: str, clip_list: str = CLIP_LIST
) -> None:
    """Writes `<class>/<clip>.mp4` for every clip, and the file `clip_list` with one line of JSON per clip."""

    def write(clip: ClipToExport, place: str) -> dict[str, Any]:
        write_bytes(folder / f"{place}.mp4", encode_video(clips.rgb(clip), fps, encoding))
        return {"file_name": f"{place}.mp4"}

    _write_clips(clips, folder, clip_list, write)


def write_frames(clips: ExportedClips, folder: Path, *, fps: float) -> None:
    """Writes `<class>/<clip>/frame_0000.png` for every frame, and a JSON file of metadata for every clip."""
    pictures = _picture_names(clips)

    def write(clip: ClipToExport, place: str) -> dict[str, Any]:
        for name, picture in zip(pictures, clips.rgb(clip), strict=True):
            write_bytes(folder / place / name, encode_png(picture))
        key_frames = [pictures[position] for position in clip.positions]
        write_json(folder / place / KEY_FRAMES, {**clip.to_json(), "fps": fps, "key_frames": key_frames})
        return {"folder_name": place}

    _write_clips(clips, folder, CLIP_LIST, write)


def write_key_frames(clips: ExportedClips, folder: Path, *, clip_list: str) -> None:
    """Writes `<class>/<clip>/frame_0000.png` for every key frame, and `clip_list` with one line per clip.

    The `datasets` library loads a line's `key_frames_file_names` entry as a list of images.
    """
    pictures = _picture_names(clips)

    def write(clip: ClipToExport, place: str) -> dict[str, Any]:
        files = [f"{place}/{pictures[position]}" for position in clip.positions]
        for file, picture in zip(files, clips.key_frames_rgb(clip), strict=True):
            write_bytes(folder / file, encode_png(picture))
        return {"key_frames_file_names": files}

    _write_clips(clips, folder, clip_list, write)


def _write_clips(
    clips: ExportedClips, folder: Path, clip_list: str, write: Callable[[ClipToExport, str], dict[str, Any]]
) -> None:
    """Calls `write` with every clip and its path without a suffix, and writes the results to `clip_list`."""
    names = folder_names(clips.class_names)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / clip_list).open("x", encoding="utf-8") as listed:
        for clip in clips:
            files = write(clip, f"{names[clip.class_name]}/{clip.stem}")
            json_line(listed, {**files, **clip.to_json()})


def _picture_names(clips: ExportedClips) -> list[str]:
    digits = max(4, len(str(clips.store.num_frames - 1)))
    return [f"frame_{number:0{digits}d}.png" for number in range(clips.store.num_frames)]


def json_line(file: TextIO, content: dict[str, Any]) -> None:
    """Writes a line of ASCII JSON."""
    file.write(json.dumps(content, allow_nan=False) + "\n")
