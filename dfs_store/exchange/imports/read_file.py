"""Reads dense clips and their labels from a .pt, .npy, .npz or .safetensors file."""

import hashlib
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dfs_store.errors import DatasetNotFoundError, SettingsError, UnreadableClipsError
from dfs_store.exchange.imports.arrays import CLIP_DTYPES, Array, FoundArray, named, pick_clips, pick_labels
from dfs_store.exchange.imports.dense import DenseClips
from dfs_store.exchange.imports.labels import (
    Labels,
    check_counts,
    class_names_of,
    counted_labels,
    labels_of,
    read_lines,
)
from dfs_store.exchange.imports.layout import LAYOUTS, find_layout
from dfs_store.exchange.imports.read_numpy import read_npy, read_npz
from dfs_store.exchange.imports.read_torch import read_safetensors, read_torch
from dfs_store.exchange.pixels import Normalization
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.format.io.reading import parse_json
from dfs_store.names import counted

__all__ = ["FILE_SUFFIXES", "FileOptions", "read_file"]

_TORCH = (".pt", ".pth", ".ckpt")
FILE_SUFFIXES = (*_TORCH, ".npy", ".npz", ".safetensors")
_STORES = (".zarr", ".h5", ".hdf5", ".zip")
_MAX_CLIP_BYTES = 2**33  # a whole clip is in memory at once


@dataclass(frozen=True)
class FileOptions:
    """How to read a file.

    Attributes:
        layout: order of the axes, see `find_layout`.
        classes: class names, see `class_names_of`.
        labels: file with the labels; if None, they are read from the file with the clips.
        clips_per_class: number of clips per class, if the clips are sorted by class.
        clips_key: name of the array of clips; if None, the only array that could be the clips.
        labels_key: name of the array of labels; if None, the only array that could be the labels.
    """

    layout: str = "auto"
    classes: str | None = None
    labels: str | None = None
    clips_per_class: int | None = None
    clips_key: str | None = None
    labels_key: str | None = None


class _FileContent(NamedTuple):
    arrays: list[FoundArray]
    metadata: dict[str, str] | None = None


def read_file(path: Path, options: FileOptions) -> DenseClips:
    """Finds the clips and labels in a file. Values are read lazily, clip by clip.

    Raises:
        DatasetNotFoundError: a file does not exist.
        UnreadableClipsError: the file contains no clips that can be read safely.
        SettingsError: the contents are ambiguous, or the labels do not match the clips.
    """
    content = _read(path)
    found, own = _picked(path, content, options)
    what = f"{path}: {found.name or 'the array'}"
    check_counts(found.shape[:1], what)
    if found.dtype not in CLIP_DTYPES:
        raise UnreadableClipsError(
            f"{path}: the dtype of clips must be one of {', '.join(CLIP_DTYPES)}, got {found}"
        )
    layout = find_layout(found.shape, options.layout, what)
    clip_bytes = 4 * layout.num_frames * math.prod(layout.frame_shape)
    if clip_bytes > _MAX_CLIP_BYTES:
        raise UnreadableClipsError(
            f"{path}: a clip with the shape {found.shape[1:]} needs {clip_bytes:,} bytes as float32, but the "
            f"limit is {_MAX_CLIP_BYTES:,}; shorten the clips or make their frames smaller"
        )
    labels, origin = _labels(path, content, found, own, options)
    normalization, are_declared_pixels = _normalization(content, layout.frame_shape[0])
    fps = named([each for each in content.arrays if each.shape == ()], ["fps"])
    return DenseClips(
        name=path.name,
        clips=lambda: map(layout.clip, found.items()),
        num_frames=layout.num_frames,
        frame_shape=layout.frame_shape,
        are_pixels=found.dtype == "uint8",
        labels=labels.numbers,
        class_names=labels.class_names,
        normalization=normalization,
        is_normalised=not are_declared_pixels,
        fps=_positive(fps),
        notes=[*([found.note] if found.note else []), *labels.notes()],
        provenance={
            "source": {
                "file": path.name,
                "sha256": _sha256(path),
                "size_bytes": path.stat().st_size,
                "array": found.name,
                "shape": list(found.shape),
                "dtype": found.dtype,
                "layout": layout.name,
                "labels": origin,
            }
        },
    )


def _picked(path: Path, content: _FileContent, options: FileOptions) -> tuple[FoundArray, FoundArray | None]:
    """Returns the array of clips and the array of labels. Uses the last of several sets of clips."""
    found = pick_clips(content.arrays, options.clips_key, str(path))
    if found.asks_layout and options.layout == "auto":
        raise SettingsError(
            f"{path}: {found.name or 'the file'} contains one array with the shape {found.shape[1:]} per "
            "class, which may be a clip or a set of images; if it is a clip, set --layout to one of "
            f"{', '.join(LAYOUTS)}"
        )
    if options.labels is not None or options.clips_per_class is not None:
        if found.is_keyed:
            keys = [each.name for each in content.arrays if each.is_part]
            flag = "--labels" if options.labels is not None else "--clips-per-class"
            raise SettingsError(
                f"{path} contains a dictionary of clips, and {flag} contradicts its keys; remove {flag} if "
                f"the keys are the classes, or choose one set of clips, for example --clips-key {keys[0]}"
            )
        return found, None
    own = pick_labels(content.arrays, found, found.shape[0], options.labels_key, str(path))
    if own is None and found.last is not None:
        own = pick_labels(content.arrays, found, found.last.shape[0], options.labels_key, str(path))
        if own is not None:
            name = found.name or "the file"
            note = f"{name} is a list of sets of clips with the same labels; the last one was imported"
            return replace(found.last, note=note), own
    if own is None and found.labels is not None:
        note = f"{found.name or 'the file'} was read as one set of clips per class"
        return replace(found, note=note), found.labels
    return found, own


def _read(path: Path) -> _FileContent:
    if not path.is_file():
        raise DatasetNotFoundError(f"{path} does not exist or is not a file; check the path")
    if problem := pointer_problem(path):
        raise UnreadableClipsError(f"{path} {problem}")
    suffix = path.suffix.lower()
    if suffix in _TORCH:
        return _FileContent(read_torch(str(path)))
    if suffix == ".safetensors":
        return _FileContent(*read_safetensors(str(path)))
    if suffix == ".npy":
        return _FileContent(read_npy(str(path)))
    if suffix == ".npz":
        return _FileContent(read_npz(str(path)))
    store = "; to copy a store, use dfs convert" if suffix in _STORES else ""
    raise SettingsError(
        f"{path}: the source must be a folder of class folders, or a file with one of the suffixes "
        f"{', '.join(FILE_SUFFIXES)}, got {suffix or 'no suffix'}{store}"
    )


def _labels(
    path: Path, content: _FileContent, found: FoundArray, own: FoundArray | None, options: FileOptions
) -> tuple[Labels, str]:
    """Returns the labels, and a description of where they came from."""
    num_clips = found.shape[0]
    names = class_names_of(options.classes) or _names_in(content)
    if options.labels is not None and options.clips_per_class is not None:
        raise SettingsError("--labels and --clips-per-class cannot be combined; use only one of them")
    if options.labels is not None:
        file = Path(options.labels)
        array = _label_file(file, num_clips, options.labels_key)
        return labels_of(array, num_clips, names, str(file)), file.name
    if options.clips_per_class is not None:
        return counted_labels(num_clips, options.clips_per_class, names), "clips per class"
    if own is not None:
        what = f"{path}: {own.name or 'labels'}"
        check_counts(own.shape, what)
        return labels_of(own.whole(), num_clips, names, what), own.name
    if names is not None and num_clips % len(names) == 0:
        return counted_labels(num_clips, num_clips // len(names), names), "clips per class"
    shown = ", ".join(map(str, content.arrays[:5]))
    beside = path.with_name(re.sub("(?i)images?|clips?|videos?", "labels", path.name))
    label_file = str(beside) if beside != path and beside.is_file() else "FILE"
    raise SettingsError(
        f"{path} contains no labels for its {counted(num_clips, 'clip')} (it contains {shown}); use --labels "
        f"{label_file}, or --clips-per-class V if the clips are sorted by class, with V per class"
    )


def _label_file(path: Path, num_clips: int, key: str | None) -> Array:
    if path.suffix.lower() not in FILE_SUFFIXES:
        return np.array(read_lines(path), dtype=object)
    arrays = _read(path).arrays
    picked = pick_labels(arrays, None, num_clips, key, str(path))
    if picked is None and len(arrays) == 1:
        picked = arrays[0]  # `labels_of` reports why it does not match
    if picked is None:
        raise SettingsError(
            f"{path} must contain an array of {counted(num_clips, 'label')}, got "
            f"{', '.join(map(str, arrays)) or 'no arrays'}; choose a different file for --labels"
        )
    check_counts(picked.shape, str(path))
    return picked.whole()


def _names_in(content: _FileContent) -> list[str] | None:
    words = ("class_names", "classes")
    array = named([each for each in content.arrays if each.dtype == "str"], words)
    if array is not None:
        return [str(each) for each in array.whole().tolist()]
    try:
        names = parse_json(str((content.metadata or {})["class_names"]))
    except (KeyError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(each, str) for each in names) else None


def _normalization(content: _FileContent, channels: int) -> tuple[Normalization | None, bool]:
    """Returns the file's mean and std, and whether it declares its values to be pixels in [0, 1]."""
    numbers = {
        word: named([each for each in content.arrays if each.shape == (channels,)], [word])
        for word in ("mean", "std")
    }
    found = {word: each.whole().astype(float).tolist() for word, each in numbers.items() if each is not None}
    values = named([each for each in content.arrays if each.shape == ()], ["values"])
    are_declared_pixels = values is not None and str(values.whole()) == "pixels"
    return (found if len(found) == len(numbers) else None), are_declared_pixels


def _positive(array: FoundArray | None) -> float | None:
    if array is None or array.dtype == "str":
        return None
    value = float(array.whole())
    return value if np.isfinite(value) and value > 0 else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
