"""Exports a dataset folder for Hugging Face: key frames, videos, metadata, a card and the store."""

from pathlib import Path

from dfs_store.exchange.exports.card import CardFacts, dataset_card
from dfs_store.exchange.exports.clips import ExportedClips
from dfs_store.exchange.exports.names import store_name
from dfs_store.exchange.exports.output import write_bytes
from dfs_store.exchange.exports.to_folders import write_key_frames, write_videos
from dfs_store.format import copy_store

__all__ = ["write_huggingface"]


def write_huggingface(
    clips: ExportedClips, folder: Path, *, fps: float, encoding: str, license_name: str, with_store: bool
) -> None:
    """Writes a folder for `datasets.load_dataset(folder)`.

    key_frames/ contains one row per clip, with its key frames as images. train/ contains the rebuilt clips as
    videos, README.md is the dataset card, and store/ contains a copy of the store if `with_store` is True.
    """
    name = store_name(clips.path)
    write_videos(clips, folder / "train", fps=fps, encoding=encoding, clip_list="metadata.jsonl")
    write_key_frames(clips, folder / "key_frames", clip_list="metadata.jsonl")
    store_file = None
    if with_store:
        store_file = f"store/{name}.h5"
        (folder / "store").mkdir()
        kept = clips.class_names if clips.subset else None
        copy_store(clips.path, folder / store_file, classes=kept, for_others=True)
    facts = CardFacts(name, license_name, fps, encoding, store_file)
    write_bytes(folder / "README.md", dataset_card(clips, facts).encode("utf-8", "replace"))
