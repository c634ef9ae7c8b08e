"""Exports a store and a list of its clips with machine-readable Croissant metadata."""

import hashlib
import re
from pathlib import Path
from typing import Any

from dfs_store.exchange.exports.clips import ExportedClips
from dfs_store.exchange.exports.names import store_name
from dfs_store.exchange.exports.output import write_json
from dfs_store.exchange.exports.to_folders import json_line
from dfs_store.format import copy_store

__all__ = ["write_croissant"]

_CLIPS = "clips.jsonl"
_ALIASES = (
    "citeAs", "column", "conformsTo", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path",
    "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
    "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in _ALIASES},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
# A summary of docs/limits.md.
_BIASES = (
    "Biases of the source dataset remain and may become stronger. Condensing matches class means, so rare "
    "content of a class (people, places, camera angles) may vanish, while common but spurious content is "
    "kept. Test models on real clips, separately for each group."
)
_LIMITATIONS = (
    "The clips are for training video classifiers; test on real videos. Frames between key frames are linear "
    "cross-fades, which suit slow changes but not cuts, flashes or fast motion.",
    "The clips are short, have no sound, and belong to one class each. They may suit the network that they "
    "were made with better than others.",
    "Condensed clips may look like noise, and their values may be outside the range of pixels.",
)


def write_croissant(clips: ExportedClips, folder: Path, *, license_name: str) -> None:
    """Writes croissant.json, a copy of the store as an HDF5 file, and a list of its clips."""
    folder.mkdir(parents=True, exist_ok=True)
    # Identifiers must not contain spaces or characters that a URL would escape.
    name = re.sub(r"[^\w-]+", "-", store_name(clips.path), flags=re.ASCII).strip("-") or "store"
    store_file = f"{name}.h5"
    copy_store(
        clips.path,
        folder / store_file,
        classes=clips.class_names if clips.subset else None,
        for_others=True,
    )
    with (folder / _CLIPS).open("x", encoding="utf-8") as listed:
        for clip in clips:
            about = clip.to_json()
            line = {key: about[key] for key in ("clip", "label", "class_name", "num_key_frames")}
            json_line(listed, {**line, "positions": " ".join(map(str, clip.positions))})
    files = [
        _file(folder / store_file, "application/x-hdf5", "The clips as key frames, in the dfs-store format."),
        _file(folder / _CLIPS, "application/jsonlines", "One line per clip."),
    ]
    write_json(folder / "croissant.json", _metadata(clips, name, license_name, files))


def _metadata(
    clips: ExportedClips, name: str, license_name: str, files: list[dict[str, Any]]
) -> dict[str, Any]:
    source = str(clips.provenance.get("dataset") or "an unrecorded dataset")
    created = str(clips.provenance.get("created") or "")
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": clips.summary,
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": license_name,
        "citeAs": f"{name}, condensed from {source} with dfs-store (complete this before you publish it)",
        "version": "1.0.0",
        "keywords": ["video", "dataset condensation", "dataset distillation", "dfs-store"],
        "distribution": files,
        "recordSet": [_record_set()],
        **_responsible(clips.provenance, source),
    }
    if re.match(r"\d{4}-\d\d-\d\d", created):
        found |= {"dateCreated": created, "datePublished": created}
    return found


def _responsible(provenance: dict[str, Any], source: str) -> dict[str, Any]:
    """Returns the fields of Croissant's Responsible AI vocabulary."""
    config, unknown = provenance.get("config") or {}, "unrecorded settings"
    method = str(provenance.get("method") or "unrecorded")
    settings = ", ".join(f"{key} {value}" for key, value in config.items() if value is not None)
    sampling = ", ".join(f"{key} {value}" for key, value in (provenance.get("sampling") or {}).items())
    starts = config.get("init") in ("real", "herding", "pack")
    if not config:
        how = "an unrecorded method"
    elif ":" in method:
        how = "a user-defined method"
    elif not config.get("iterations"):
        how = "a method that keeps real frames"
    else:
        how = "a method that trains key frames" + (", starting from real ones" if starts else "")
    return {
        "rai:dataCollection": f"No new data was collected. The clips were made from {source} by {how}.",
        "rai:dataCollectionType": "Derived from an existing dataset",
        "rai:dataCollectionRawData": source,
        "rai:dataPreprocessingProtocol": f"Clips were sampled with {sampling or unknown}.",
        "rai:dataManipulationProtocol": f"Method {method} with {settings or unknown}.",
        "rai:dataAnnotationProtocol": "A clip has the label of the source clips that it was made from.",
        "rai:dataUseCases": "Training video classification networks, and research on dataset condensation.",
        "rai:dataBiases": _BIASES,
        "rai:dataLimitations": list(_LIMITATIONS),
        "rai:personalSensitiveInformation": (
            f"People in {source} may be recognisable: condensing does not make data anonymous, and trained "
            "key frames may resemble real ones."
        ),
        "rai:dataSocialImpact": f"The licence and terms of {source} apply to data made from it.",
    }


def _file(path: Path, encoding: str, description: str) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": description,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": encoding,
        "sha256": digest,
    }


def _record_set() -> dict[str, Any]:
    fields = {
        "clip": ("sc:Integer", "Number of the clip in the exported store."),
        "label": ("sc:Integer", "Number of the clip's class."),
        "class_name": ("sc:Text", "Name of the clip's class."),
        "num_key_frames": ("sc:Integer", "Number of key frames."),
        "positions": ("sc:Text", "0-based positions of the key frames, separated by spaces."),
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "clips",
        "name": "clips",
        "description": "One record per clip, in the store's order.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"clips/{name}",
                "name": f"clips/{name}",
                "description": description,
                "dataType": kind,
                "source": {"fileObject": {"@id": _CLIPS}, "extract": {"column": name}},
            }
            for name, (kind, description) in fields.items()
        ],
    }
