"""Selects the images in a folder that are the frames of a clip, by the patterns of their names.

A pattern is a file name with its numbers replaced by `#`. Besides the frames (`img_00001.jpg`), folders may
contain optical flow (`flow_x_00001.jpg`), depth, thumbnails, or the frames of a second camera.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from dfs_store.errors import DecodeError
from dfs_store.names import some

__all__ = ["PICTURE_SUFFIXES", "PictureSequence", "is_modality", "picture_sequence", "rgb_of"]

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_SAME_SUFFIX = {".jpeg": ".jpg", ".tiff": ".tif"}
_RGB_TEXT = """
color colors colour colours frame frames im image images img imgs jpeg jpegimages jpegs jpg pic picture
pictures png pngs raw rawframes rgb video
"""
_RGB = frozenset(_RGB_TEXT.split())
_SURE_RGB = frozenset({"rgb", "color", "colour"})
_OTHER_TEXT = """
alpha annotation annotations cover depth disp disparity flow flows flowx flowy gray grey gt heatmap heatmaps
infrared ir joints label labels mask masks normal normals poster pose poses preview saliency seg
segmentation skeleton skeletons thermal thumb thumbnail thumbnails thumbs
"""
_OTHER = frozenset(_OTHER_TEXT.split())
_BESIDE_OTHER = frozenset(
    {"dense", "map", "maps", "of", "opt", "optical", "tvl", "u", "v", "warped", "x", "y"}
)
_MOST_REPEATED = 0.1  # allowed share of repeated numbers in a sequence, since time stamps may repeat


class PictureSequence(NamedTuple):
    """The frames of one clip.

    Attributes:
        names: file names, ordered by the numbers in them.
        pattern: pattern of the names.
        passed_over: number of images that are not frames, by pattern.
    """

    names: list[str]
    pattern: str
    passed_over: dict[str, int]


def picture_sequence(names: Iterable[str]) -> PictureSequence:
    """Selects the frames of a clip from the images in a folder.

    Args:
        names: file names of images, in any order.

    Raises:
        DecodeError: the names have several patterns, and it is unclear which images are the frames.
    """
    groups = defaultdict[str, list[str]](list)
    for name in names:
        groups[_pattern(name)].append(name)
    _join_suffixes(groups)
    frames = _frames(groups)
    chosen = sorted((name for pattern in frames for name in groups[pattern]), key=_by_numbers)
    if len(frames) == 1:
        _check_one_sequence(chosen)
    left = {pattern: len(group) for pattern, group in sorted(groups.items()) if pattern not in frames}
    return PictureSequence(chosen, frames[0] if frames else "", left)


def is_modality(name: str) -> bool:
    """Whether a folder's name only states the kind of images that it contains (`rgb`, `flow_x`, `depth`)."""
    return _is_other(name) or _is_rgb(name)


def rgb_of(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Separates the names of folders to read from those of folders with optical flow, depth and similar data.

    Raises:
        DecodeError: there are several kinds of images, and none is RGB.
    """
    listed = list(names)
    other = [name for name in listed if _is_other(name)]
    rest = [name for name in listed if name not in other]
    if len(other) > 1 and not rest:
        raise DecodeError(
            f"the folders {', '.join(sorted(other))} contain several kinds of images, but no RGB frames"
        )
    if not any(_is_rgb(name) for name in rest):
        return listed, []
    return rest, other


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.casefold())


def _is_rgb(name: str) -> bool:
    words = set(_words(name))
    return bool(words) and words <= _RGB


def _is_other(name: str) -> bool:
    words = set(_words(name))
    return bool(words & _OTHER) and words <= _OTHER | _BESIDE_OTHER


def _pattern(name: str) -> str:
    stem, suffix = os.path.splitext(name.casefold())
    return re.sub(r"[0-9]+", "#", stem) + _SAME_SUFFIX.get(suffix, suffix)


def _join_suffixes(groups: dict[str, list[str]]) -> None:
    """Merges patterns that differ only in the suffix, unless both have an image with the same number."""
    by_stem = defaultdict[str, list[str]](list)
    for pattern in sorted(groups):
        by_stem[os.path.splitext(pattern)[0]].append(pattern)
    for patterns in by_stem.values():
        stems = Counter(os.path.splitext(name)[0] for pattern in patterns for name in groups[pattern])
        if len(patterns) > 1 and max(stems.values()) == 1:
            for pattern in patterns[1:]:
                groups[patterns[0]] += groups.pop(pattern)


def _frames(groups: dict[str, list[str]]) -> list[str]:
    """Returns the pattern of the frames, or several patterns if no name contains a number (a.png, b.png)."""
    stems = {pattern: os.path.splitext(pattern)[0] for pattern in groups}
    left = [pattern for pattern, stem in stems.items() if not set(_words(stem)) & _OTHER]
    if len(left) > 1:
        sure = [pattern for pattern in left if set(_words(stems[pattern])) & _SURE_RGB]
        others_rgb = [p for p in left if p not in sure and set(_words(stems[p])) & _RGB]
        if len(sure) == 1 and not others_rgb:
            left = sure
    if len(left) == 1 or (not left and len(groups) <= 1):
        return left or list(groups)
    # Names without numbers form a sequence, unless two of them are the same image in two formats.
    if left and not any("#" in stems[p] for p in left) and len({stems[p] for p in left}) == len(left):
        return sorted(left)
    raise DecodeError(_several({pattern: len(groups[pattern]) for pattern in groups}))


def _several(counts: dict[str, int]) -> str:
    shown = some((f"{pattern} ({count})" for pattern, count in sorted(counts.items())), 8)
    return (
        f"the images in a folder have {len(counts)} name patterns ({shown}), so it is unclear which "
        "are the frames; keep only one kind of image per folder"
    )


def _check_one_sequence(names: list[str]) -> None:
    """Rejects names that form several sequences with one pattern, such as cam1_0001 and cam2_0001."""
    rows = [tuple(re.findall(r"[0-9]+", os.path.splitext(name)[0])) for name in names]
    columns = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
    if len(columns) < 2 or any(1 - len(set(column)) / len(rows) <= _MOST_REPEATED for column in columns):
        return
    sequence = min(columns, key=lambda column: len(set(column)))
    number = list(zip(*rows, strict=True)).index(sequence)
    raise DecodeError(_several(Counter(_with_number(name, number) for name in names)))


def _with_number(name: str, kept: int) -> str:
    """Returns the pattern of a name, with one of its numbers unchanged."""
    stem, suffix = os.path.splitext(name.casefold())
    parts = re.split(r"([0-9]+)", stem)
    return "".join("#" if at % 2 and at // 2 != kept else part for at, part in enumerate(parts)) + suffix


def _by_numbers(name: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], name
