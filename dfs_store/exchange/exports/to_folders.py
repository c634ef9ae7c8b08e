"""Exports class folders with one MP4 per clip or one PNG per frame."""

import json
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
    """Writes `<class>/<clip>.mp4` for every clip, and a list of the clips in JSON lines.

    Args:
        clips: clips to write.
        folder: output folder, created if it does not exist.
        fps: frames per second.
        encoding: see `encode_video`.
        clip_list: file name of the list.
    """
    names = folder_names(clips.class_names)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / clip_list).open("x", encoding="utf-8") as listed:
        for clip in clips:
            file = f"{names[clip.class_name]}/{clip.stem}.mp4"
            write_bytes(folder / file, encode_video(clips.rgb(clip), fps, encoding))
            json_line(listed, {"file_name": file, **clip.to_json()})


def write_frames(clips: ExportedClips, folder: Path, *, fps: float) -> None:
    """Writes `<class>/<clip>/frame_0000.png` for every frame, and the key frames of each clip in a JSON file.

    Args:
        clips: clips to write.
        folder: output folder, created if it does not exist.
        fps: frames per second, for the JSON file.
    """
    names, pictures = folder_names(clips.class_names), _picture_names(clips)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / CLIP_LIST).open("x", encoding="utf-8") as listed:
        for clip in clips:
            place = f"{names[clip.class_name]}/{clip.stem}"
            for name, picture in zip(pictures, clips.rgb(clip), strict=True):
                write_bytes(folder / place / name, encode_png(picture))
            write_json(folder / place / KEY_FRAMES, _beside(clip, pictures, fps))
            json_line(listed, {"folder_name": place, **clip.to_json()})


def write_key_frames(clips: ExportedClips, folder: Path, *, clip_list: str) -> None:
    """Writes `<class>/<clip>/frame_0000.png` for every key frame, and a list with a line per clip.

    Args:
        clips: what to write.
        folder: where to; made if it is not there.
        clip_list: name of the list; `datasets` takes its `key_frames_file_names` for a list of images.
    """
    names, pictures = folder_names(clips.class_names), _picture_names(clips)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / clip_list).open("x", encoding="utf-8") as listed:
        for clip in clips:
            files = [f"{names[clip.class_name]}/{clip.stem}/{pictures[place]}" for place in clip.positions]
            for file, picture in zip(files, clips.key_frames_rgb(clip), strict=True):
                write_bytes(folder / file, encode_png(picture))
            json_line(listed, {"key_frames_file_names": files, **clip.to_json()})


def _picture_names(clips: ExportedClips) -> list[str]:
    digits = max(4, len(str(clips.store.num_frames - 1)))
    return [f"frame_{number:0{digits}d}.png" for number in range(clips.store.num_frames)]


def json_line(file: TextIO, content: dict[str, Any]) -> None:
    """Writes one line of ASCII JSON."""
    file.write(json.dumps(content, allow_nan=False) + "\n")


def _beside(clip: ClipToExport, pictures: list[str], fps: float) -> dict[str, Any]:
    return {**clip.to_json(), "fps": fps, "key_frames": [pictures[place] for place in clip.positions]}
