"""Which pictures of a folder are the frames of its clip: those of one name pattern, never a mixture.

Optical flow and depth are often kept beside the frames (`img_00001.jpg`, `flow_x_00001.jpg`), and so are
thumbnails and second cameras. A pattern is a name whose numbers are replaced by `#`.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from dfs_store.errors import DecodeError

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
_MOST_REPEATED = 0.1  # share of equal numbers in a sequence: time stamps may have some


class PictureSequence(NamedTuple):
    """The frames of one clip.

    Attributes:
        names: file names, in the order of the numbers in them.
        pattern: of these names.
        passed_over: number of the other pictures, by pattern.
    """

    names: list[str]
    pattern: str
    passed_over: dict[str, int]


def picture_sequence(names: Iterable[str]) -> PictureSequence:
    """Chooses the frames of a clip among the pictures of a folder.

    Args:
        names: file names of pictures, in any order.

    Raises:
        DecodeError: the names have several patterns, and more than one of them may be the frames.
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
    """Whether a folder's name says only which kind of pictures it holds (`rgb`, `flow_x`, `depth`)."""
    return _is_other(name) or _is_rgb(name)


def rgb_of(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Splits the names of folders side by side into those to read, and those of optical flow, depth ...

    Raises:
        DecodeError: there are several kinds of pictures and none is known to be the frames.
    """
    listed = list(names)
    other = [name for name in listed if _is_other(name)]
    rest = [name for name in listed if name not in other]
    if len(other) > 1 and not rest:
        raise DecodeError(
            f"the folders {', '.join(sorted(other))} hold several kinds of pictures, and no RGB frames"
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
    """Joins patterns that differ in the suffix alone, unless both have a picture of the same number."""
    by_stem = defaultdict[str, list[str]](list)
    for pattern in sorted(groups):
        by_stem[os.path.splitext(pattern)[0]].append(pattern)
    for patterns in by_stem.values():
        stems = Counter(os.path.splitext(name)[0] for pattern in patterns for name in groups[pattern])
        if len(patterns) > 1 and max(stems.values()) == 1:
            for pattern in patterns[1:]:
                groups[patterns[0]] += groups.pop(pattern)


def _frames(groups: dict[str, list[str]]) -> list[str]:
    """Returns the pattern of the frames; several patterns only if none has a number (a.png, b.png)."""
    stems = {pattern: os.path.splitext(pattern)[0] for pattern in groups}
    left = [pattern for pattern, stem in stems.items() if not set(_words(stem)) & _OTHER]
    if len(left) > 1:
        sure = [pattern for pattern in left if set(_words(stems[pattern])) & _SURE_RGB]
        others_rgb = [p for p in left if p not in sure and set(_words(stems[p])) & _RGB]
        if len(sure) == 1 and not others_rgb:
            left = sure
    if len(left) == 1 or (not left and len(groups) <= 1):
        return left or list(groups)
    # Names are then in alphabetical order, unless two of them are one picture in two kinds of file.
    if left and not any("#" in stems[p] for p in left) and len({stems[p] for p in left}) == len(left):
        return sorted(left)
    raise DecodeError(_several({pattern: len(groups[pattern]) for pattern in groups}))


def _several(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{pattern} ({count})" for pattern, count in sorted(counts.items())[:8])
    more = f" and {len(counts) - 8} more" if len(counts) > 8 else ""
    return (
        f"pictures of {len(counts)} name patterns lie in one folder, {shown}{more}, and it is not clear "
        "which are the frames. Keep one kind in a folder"
    )


def _check_one_sequence(names: list[str]) -> None:
    """Refuses two sequences of one pattern, cam1_0001 and cam2_0001: no number tells all pictures apart."""
    rows = [tuple(re.findall(r"[0-9]+", os.path.splitext(name)[0])) for name in names]
    columns = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
    if len(columns) < 2 or any(1 - len(set(column)) / len(rows) <= _MOST_REPEATED for column in columns):
        return
    sequence = min(columns, key=lambda column: len(set(column)))
    number = list(zip(*rows, strict=True)).index(sequence)
    raise DecodeError(_several(Counter(_with_number(name, number) for name in names)))


def _with_number(name: str, kept: int) -> str:
    """Returns the pattern of a name, one of whose numbers is left as it is."""
    stem, suffix = os.path.splitext(name.casefold())
    parts = re.split(r"([0-9]+)", stem)
    return "".join("#" if at % 2 and at // 2 != kept else part for at, part in enumerate(parts)) + suffix


def _by_numbers(name: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], name
