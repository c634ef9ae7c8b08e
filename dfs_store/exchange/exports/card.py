"""Writes the dataset card of a Hugging Face export."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dfs_store.exchange.exports.clips import ExportedClips
from dfs_store.format.spec import frame_size_bytes

__all__ = ["CardFacts", "dataset_card"]

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_CLASSES_SHOWN = 200


@dataclass(frozen=True)
class CardFacts:
    """Facts for a dataset card that are not recorded in the store.

    Attributes:
        name: name of the dataset.
        license: a licence identifier of the Hub, "unknown" or "other".
        fps: frames per second of the videos.
        encoding: encoding of the videos, see `encode_video`.
        store_file: path of the store's copy, relative to the folder; None if there is no copy.
    """

    name: str
    license: str
    fps: float
    encoding: str
    store_file: str | None


def dataset_card(clips: ExportedClips, facts: CardFacts) -> str:
    """Returns the text of README.md, with a YAML header for the Hub."""
    parts = [
        _header(clips, facts),
        f"# {_plain(facts.name)}",
        f"{_plain(clips.summary)} `key_frames` contains the key frames as images, and `train` contains the "
        "rebuilt clips as videos.",
        _table(clips, facts),
        _loading(facts),
        _COLUMNS,
        _limits(clips.provenance, facts),
        _classes(clips.class_names),
    ]
    return "\n\n".join(parts) + "\n"


def _header(clips: ExportedClips, facts: CardFacts) -> str:
    size = next((words for most, words in _SIZES if len(clips) < most), "1M<n<10M")
    tags = ["video", "dataset-condensation", "dataset-distillation", "dfs-store"]
    lines = [
        f"license: {json.dumps(facts.license)}",
        f"pretty_name: {json.dumps(_plain(facts.name))}",
        "task_categories:\n- video-classification",
        f"size_categories:\n- {size}",
        "tags:\n" + "\n".join(f"- {tag}" for tag in tags),
        # Listed explicitly, so that a class folder called "test" does not become a split.
        "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: key_frames/**",
    ]
    return "---\n" + "\n".join(lines) + "\n---"


def _table(clips: ExportedClips, facts: CardFacts) -> str:
    store, provenance = clips.store, clips.provenance
    key_frame_bytes = clips.num_key_frames * frame_size_bytes(store.frame_shape, store.dtype)
    dense_bytes = len(clips) * store.num_frames * frame_size_bytes(store.frame_shape, "float32")
    height, width = store.frame_shape[1:]
    rows = {
        "source dataset": provenance.get("dataset"),
        "method": provenance.get("method"),
        "videos per class (VPC)": provenance.get("vpc"),
        "seed": provenance.get("seed"),
        "created": provenance.get("created"),
        "clips, classes": f"{len(clips):,}, {len(clips.class_names):,}",
        "clip": f"{store.num_frames} frames of {width} x {height} pixels, at {facts.fps:g} frames per second",
        "videos": "H.264, lossless RGB" if facts.encoding == "lossless" else "H.264, high quality, lossy",
        "number of key frames": f"{clips.num_key_frames:,} in {store.dtype}",
        "size of the key frames in bytes": f"{key_frame_bytes:,}",
        "size of the clips as dense float32 in bytes": f"{dense_bytes:,}",
        "share of dense float32": f"{100 * key_frame_bytes / dense_bytes:.2f} %",
        "share of dense uint8": f"{400 * key_frame_bytes / dense_bytes:.2f} %",
        "digest of the store": store.attributes["digest"],
    }
    lines = [
        f"| {name} | {_plain('not recorded' if value is None else value)} |" for name, value in rows.items()
    ]
    return "\n".join(["| | |", "|---|---|", *lines])


def _loading(facts: CardFacts) -> str:
    text = """## How to load it

With `datasets`, where FOLDER is this folder or the name of the repository on the Hub:

```python
from datasets import load_dataset

clips = load_dataset("FOLDER", split="train")  # a row per clip
print(clips[0]["label"], clips[0]["positions"], clips[0]["key_frames"])  # its key frames as images
files = {"train": "FOLDER/train/**"}
videos = load_dataset("videofolder", data_files=files, split="train")  # the rebuilt clips
```

Loading the key frames needs `datasets` 4 and no video decoder. Decoding the videos needs `torchcodec`;
`videos.cast_column("video", datasets.Video(decode=False))` returns files instead."""
    if facts.store_file is None:
        return text
    return f"""{text}

With dfs-store, from the key frames, with exact values and without decoding videos:

```python
from dfs_store import DFSDataset, DFSLoader

dataset = DFSDataset({json.dumps("FOLDER/" + facts.store_file)})
for clips, labels in DFSLoader(dataset, batch_size=8, shuffle=True):
    ...  # (N, C, T, H, W) float32
```

`dfs verify` checks every byte of the store, and `dfs inspect` summarises it."""


_COLUMNS = (
    "Both `metadata.jsonl` files contain, for every clip, its `label` (a number), `class_name` (from which "
    "the folder's name can differ), `clip` (its number in the store), `num_key_frames` and `positions` "
    "(0-based positions of the key frames). All clips are training data; test on real videos."
)


def _limits(provenance: dict[str, Any], facts: CardFacts) -> str:
    dataset = _plain(provenance.get("dataset") or "not recorded")
    return (
        "## Limits and licence\n\n"
        "Condensed clips are made for training networks, not for watching: they may look like noise. In the "
        "videos, values outside the range of pixels are clipped; the store contains the original values. "
        "Networks trained on these clips inherit the biases and gaps of the source. People in the source may "
        "be recognisable.\n\n"
        f"These clips derive from their source ({dataset}), whose licence and terms also apply to them; read "
        f"them before you share or use this dataset. The licence stated here is `{_plain(facts.license)}`; "
        "dfs-store does not know the source's licence."
    )


def _classes(names: Sequence[str]) -> str:
    shown = "\n".join(f"{label}\t{_plain(name)}" for label, name in enumerate(names[:_CLASSES_SHOWN]))
    more = f"\n... {len(names) - _CLASSES_SHOWN} more" if len(names) > _CLASSES_SHOWN else ""
    return f"## Classes\n\n```text\n{shown}{more}\n```"


def _plain(value: object) -> str:
    """Returns a value as a line of text, without characters that Markdown or HTML interpret."""
    text = "".join(ch if ch.isprintable() and ch not in "`|<>[]" else " " for ch in str(value))
    return " ".join(text.split()) or "-"
