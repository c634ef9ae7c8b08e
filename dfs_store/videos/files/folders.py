"""Reads a folder of videos with any layout, and decides which folders are classes and which are splits.

A wrong guess would silently turn "Train" and "Test" into classes. An ambiguous layout therefore raises an
error that describes what was found. `folder_layout="classes"` turns this check off.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from dfs_store.errors import DatasetNotFoundError, DecodeError
from dfs_store.names import counted, some
from dfs_store.videos.files.cliplist import ClipFile, ClipList
from dfs_store.videos.files.lists import METADATA, read_list
from dfs_store.videos.files.picture_sequences import is_modality, rgb_of
from dfs_store.videos.files.reading import Reading
from dfs_store.videos.files.splits import SplitName, is_container, split_name
from dfs_store.videos.files.tree import Folder, outermost

__all__ = ["Parts", "class_clips", "find_parts", "has_classes", "read_folders"]

_INSIST = 'If these folders are the classes, use --folder-layout classes (folder_layout="classes")'
_LAYOUTS = "<class>/<clips>, or train/<class>/<clips> and test/<class>/<clips>"
_TEST_REMEDY = (
    "all clips are in the training split. Move some clips of every class to test/<class>/ and the rest to "
    "train/<class>/, use a list with --test-list, or condense and evaluate with --hold-out 0.2"
)


@dataclass(frozen=True)
class Parts:
    """The folders of the splits in a dataset.

    Attributes:
        train: folder with the training clips; None if there is none.
        test: folder with the test clips, or with the validation clips if there is no test folder.
        remarks: sentences on folders that are not used.
    """

    train: Folder | None
    test: Folder | None
    remarks: list[str]


def read_folders(root: Path, split: str, how: Reading) -> ClipList:
    """Reads <class>/<clips> or train|test/<class>/<clips>, possibly inside another folder.

    Raises:
        DatasetNotFoundError: there is no such split, or the layout is ambiguous.
    """
    base, remarks = Folder(root), list[str]()
    if how.folder_layout == "classes":
        parts = None
    else:
        base, parts = _inner(base, remarks)
    if parts is None:
        if split != "train":
            if not has_classes(base):
                _explain_clips(base, root)
            raise DatasetNotFoundError(
                f"{root} has no split {split!r}: it has class folders but no train/ and test/ folders, so "
                f"{_TEST_REMEDY}"
            )
        folder = base
    else:
        folder = _checked_part(root, parts, split)
        remarks += parts.remarks
        folder, _ = _contained(folder, remarks)
        if not has_classes(folder) and (table := _metadata(folder)) is not None:
            return read_list(table, "train", Reading(root=folder.path))
    if how.folder_layout is None:
        _check_classes(folder, root)
        if split == "train":
            _check_several(folder, root, how)
    found = class_clips(root, folder)
    found.remarks[:0] = remarks
    return found


def _checked_part(root: Path, parts: Parts, split: str) -> Folder:
    folder = parts.train if split == "train" else parts.test
    if folder is None:
        there = some(each.name for each in (parts.train, parts.test) if each is not None)
        more = "" if split == "train" else f": {_TEST_REMEDY}"
        raise DatasetNotFoundError(
            f"{root} has no split {split!r}: there is no folder {split} (or "
            f"{'training' if split == 'train' else 'testing, val or validation'}) with videos, only "
            f"{there}{more}"
        )
    return folder


def _inner(base: Folder, remarks: list[str], depth: int = 0) -> tuple[Folder, Parts | None]:
    """Returns `base` or the folder inside it that contains the classes or splits, and the splits or None."""
    if (parts := find_parts(base)) is not None:
        return base, parts
    children = _with_clips(base)
    if depth < 3 and len(children) == 1 and not base.videos:
        (child,) = children
        found, parts = _inner(child, [], depth + 1)
        if parts is not None:
            remarks.append(f"the splits were read from {found.path}")
            return found, parts
    inside, moved = _contained(base, remarks)
    return _inner(inside, remarks, depth + 1) if moved and depth < 3 else (base, None)


def _contained(base: Folder, remarks: list[str]) -> tuple[Folder, bool]:
    """Returns a folder such as `videos` in `base`, and True; or `base` and False if there is none to enter.

    If there are several such folders, the one with videos or RGB frames is entered.

    Raises:
        DatasetNotFoundError: there are several such folders, and it is unclear which one to use.
    """
    children = _with_clips(base)
    if not children or base.videos or not all(is_container(c.name) or is_modality(c.name) for c in children):
        return base, False
    try:
        kept, _ = rgb_of(child.name for child in children)
    except DecodeError as error:
        raise DatasetNotFoundError(f"{base.path}: {error}. {_INSIST}") from error
    left = [child for child in children if child.name in kept]
    if len(left) > 1:
        of_videos = [child for child in left if _has_videos(child)]
        left = of_videos if len(of_videos) == 1 else left
    if len(left) > 1 or not is_container(left[0].name):
        raise DatasetNotFoundError(
            f"{base.path} has the folders {some(child.name for child in children)}, which are not class "
            f"names; it must contain {_LAYOUTS}. Use one of these folders as the dataset. {_INSIST}"
        )
    if not has_classes(left[0]):
        return base, False
    unused = [child.name for child in children if child is not left[0]]
    remarks.append(f"clips were read from {left[0].path}" + (f"; not used: {some(unused)}" if unused else ""))
    return left[0], True


def find_parts(base: Folder, *, sure: bool = False) -> Parts | None:
    """Returns the train and test folders in a folder, or None if no folder is named like a split.

    Args:
        base: the folder.
        sure: whether the dataset is known to have splits, so that other folders next to the splits do not
            matter.

    Raises:
        DatasetNotFoundError: some folders are named like splits, but it is unclear whether they are splits,
            or which ones to use.
    """
    children = _with_clips(base)
    named = {child: parsed for child in children if (parsed := split_name(child.name)) is not None}
    others = [child for child in children if child not in named]
    plain = [child for child, parsed in named.items() if parsed.is_plain]
    if others and not sure and not (plain and _share_classes(plain)):
        if doubtful := [child.name for child in named if named[child].is_bare]:
            raise DatasetNotFoundError(
                f"{base.path} contains folders named like splits ({some(doubtful)}) as well as other folders "
                f"({some(child.name for child in others)}). It must contain {_LAYOUTS}. {_INSIST}"
            )
        return None
    groups = defaultdict[tuple[str, ...], dict[str, list[Folder]]](lambda: defaultdict(list))
    for child, parsed in named.items():
        if parsed.is_plain or not others:
            groups[parsed.rest][parsed.part].append(child)
    if not groups:
        return None
    chosen = _one_group(base, list(groups.values()), children)
    if not all(named[each].is_plain for part in chosen.values() for each in part) and len(chosen) < 2:
        return None  # for example a single folder "train_station"
    used = {part: folders[0] for part, folders in chosen.items()}
    test = used.get("test", used.get("val"))
    unused = [child.name for child in children if child not in (used.get("train"), test)]
    remarks = []
    if "test" in used and "val" in used:
        remarks.append(f"{used['val'].path} is not used, because there is a test split, {used['test'].name}")
        unused.remove(used["val"].name)
    if unused and not sure:
        remarks.append(f"other folders in {base.path} are not used: {some(unused)}")
    return Parts(used.get("train"), test, remarks)


def _one_group(
    base: Folder, groups: list[dict[str, list[Folder]]], children: list[Folder]
) -> dict[str, list[Folder]]:
    """Returns the folders of one group, such as videos_train and videos_val, by split."""
    joined = defaultdict[str, list[Folder]](list)
    for group in groups:
        for part, folders in group.items():
            joined[part] += folders
    if all(len(folders) == 1 for folders in joined.values()):
        return joined
    whole = [group for group in groups if "train" in group and len(group) > 1] or groups
    if len(whole) > 1:
        whole = [group for group in whole if all(map(_has_videos, chain(*group.values())))]
    if len(whole) == 1 and all(len(folders) == 1 for folders in whole[0].values()):
        return whole[0]
    raise DatasetNotFoundError(
        f"{base.path} has several folders for one split: {some(child.name for child in children)}. Keep one "
        f"for train and one for test, or use a list. {_INSIST}"
    )


def _share_classes(folders: list[Folder]) -> bool:
    """Whether the train and test folders have subfolders with the same names, not counting clips."""
    by_part = defaultdict[str, set[str]](set)
    for folder in folders:
        parsed = split_name(folder.name)
        assert parsed is not None
        by_part["train" if parsed.part == "train" else "test"] |= {
            f.name for f in _with_clips(folder) if not f.is_clip
        }
    return bool(by_part["train"] & by_part["test"])


def _has_videos(folder: Folder) -> bool:
    return any(each.videos for each in folder.all_below())


def _with_clips(folder: Folder) -> list[Folder]:
    return [child for child in folder.folders if not child.is_empty]


def has_classes(folder: Folder) -> bool:
    """Whether a folder contains folders of clips, rather than the clips themselves."""
    return any(not child.is_clip or child.videos for child in _with_clips(folder))


def _metadata(folder: Folder) -> Path | None:
    return next((folder.path / name for name in METADATA if (folder.path / name).is_file()), None)


def _check_classes(folder: Folder, root: Path) -> None:
    children = _with_clips(folder)
    if not has_classes(folder):
        _explain_clips(folder, root)
    _check_shared(folder, children)
    for child in children:
        parts = {f.name: parsed.part for f in _with_clips(child) if (parsed := _part_in_class(f)) is not None}
        alone = len(parts) == len(_with_clips(child)) and not child.videos
        if len(set(parts.values())) > 1 or (parts and alone):
            raise DatasetNotFoundError(
                f"{child.path} contains folders named like splits ({some(parts)}), so the clips of all "
                "splits would be used for training. Move the splits to the top (train/<class>/<clips> and "
                "test/<class>/<clips>), or use a list of the clips. To train on the clips of all splits, use "
                '--folder-layout classes (folder_layout="classes")'
            )


def _check_shared(folder: Folder, children: list[Folder]) -> None:
    """Rejects folders that all contain the same folders of clips, since the classes may be at either level.

    The outer folders are probably splits or kinds of images with unknown names. Numbered inner folders are
    not classes, but clips, people or groups of clips.
    """
    inner = [{each.name for each in child.parts[0] if _may_be_class(each)} for child in children]
    shared = sorted(set.intersection(*inner)) if len(inner) > 1 else []
    if len(shared) > 1:
        raise DatasetNotFoundError(
            f"each of the folders {some(child.name for child in children)} in {folder.path} has the folders "
            f"{some(shared)}, so it is unclear which are the classes. If the classes are {some(shared)}, "
            "rename the outer folders to train and test, or use one of them as the dataset. If the classes "
            f"are {some(child.name for child in children)}, use --folder-layout classes "
            '(folder_layout="classes")'
        )


def _may_be_class(folder: Folder) -> bool:
    if is_container(folder.name) or any(character.isdecimal() for character in folder.name):
        return False
    clips = (path for each in folder.walk() for path in [*each.videos, *[each.path] * each.is_clip])
    return not folder.is_clip and len(list(islice(clips, 2))) > 1


def _part_in_class(folder: Folder) -> SplitName | None:
    """Returns the split that a folder in a class is named after, or None, as for a clip named train_01."""
    parsed = split_name(folder.name)
    return (
        parsed
        if parsed is not None and (parsed.is_bare or (parsed.is_plain and not folder.is_clip))
        else None
    )


def _check_several(folder: Folder, root: Path, how: Reading) -> None:
    if len(folder.folders) != 1 or how.classes == (folder.folders[0].name,):
        return
    (child,) = folder.folders
    inner = [each.name for each in _with_clips(child) if not each.is_clip]
    more = f" (it has the folders {some(inner)}: if these are the classes, use {child.path})" if inner else ""
    raise DatasetNotFoundError(
        f"{folder.path} has only one class folder, {child.name}{more}. {_found_lists(root)}A dataset needs "
        f"several classes: {_LAYOUTS}. If {child.name} is the only class, use --classes {child.name} or "
        '--folder-layout classes (folder_layout="classes")'
    )


def _explain_clips(folder: Folder, root: Path) -> None:
    clips = [child.name for child in _with_clips(folder) if child.is_clip]
    if clips:
        what = (
            f"{folder.path} has folders of images ({some(clips, 3)}) outside class folders; a folder of "
            "images is one clip and must be inside its class folder: <class>/<clip>/<images>"
        )
    elif folder.videos:
        first = folder.videos[0].name
        count = counted(len(folder.videos), "video")
        what = f"{folder.path} has {count} ({first} ...) and no class folders"
    elif folder.num_pictures:
        what = f"{folder.path} has {counted(folder.num_pictures, 'image')} and no class folders"
    elif folder.folders:
        others = sum((each.others for each in folder.all_below()), Counter[str]())
        if not others:
            return  # empty class folders: a later error names them
        what = f"{folder.path} has no videos or folders of images, only {_kinds(others)}"
    else:
        what = f"{folder.path} has no class folders"
    insist = "" if folder.path == root else f". {_INSIST}"  # the folder is named like a split
    raise DatasetNotFoundError(f"{what}. {_found_lists(root)}It must contain {_LAYOUTS}{insist}")


def _found_lists(root: Path) -> str:
    """Returns a suggestion to use one of the lists in a folder as the dataset; "" if there are none."""
    names = sorted(
        path.relative_to(root).as_posix()
        for pattern in ("*.csv", "*.txt", "*.tsv", "*.jsonl", "*/metadata.csv")
        for path in root.glob(pattern)
        if not path.name.startswith(".")
    )
    if not names:
        return ""
    how = f"--dataset {root / names[0]} --root DIR"
    return f"If {some(names, 3)} lists the clips and their classes, use it: {how}. "


def class_clips(root: Path, folder: Path | Folder) -> ClipList:
    """Returns the clips in the class folders in `folder`, with paths relative to the root."""
    folder = folder if isinstance(folder, Folder) else Folder(folder)
    if not folder.folders:
        raise DatasetNotFoundError(f"{folder.path} has no class folders; it must contain {_LAYOUTS}")
    tally, clips = _Tally(), []
    for class_folder in folder.folders:
        found = tally.clips_of(class_folder)
        clips += [ClipFile(path.relative_to(root).as_posix(), class_folder.name) for path in found]
    clips.sort(key=lambda clip: (clip.class_name, clip.file))
    return ClipList(
        root, clips, sorted(child.name for child in folder.folders), remarks=tally.remarks(root, folder)
    )


class _Tally:
    """Collects the clips in class folders and counts the files that are skipped."""

    def __init__(self) -> None:
        self._others = Counter[str]()
        self._beside_videos: list[Path] = []
        self._unclear: list[str] = []
        self._patterns = Counter[str]()
        self._modalities = Counter[str]()
        self._loose: list[Path] = []
        self._loops: list[Path] = []
        self._deep: list[Path] = []

    def clips_of(self, class_folder: Folder) -> list[Path]:
        """Returns the videos in a class folder, or the folders of frames if there are no videos."""
        videos, frames = list[Path](), list[Folder]()
        for folder in class_folder.walk():
            _, left, unclear = folder.parts
            self._modalities.update(each.name for each in left)
            if unclear:
                self._unclear.append(f"{folder.path}: {unclear}")
            self._loops += folder.loops
            videos += folder.videos
            self._others += folder.others
            if folder.is_clip and folder is not class_folder:
                frames.append(folder)
        frames, beside, unclear_clips = outermost(frames)
        if videos:
            self._beside_videos += [folder.path for folder in frames]
            self._others.update({"images": class_folder.num_pictures} if class_folder.num_pictures else {})
            self._deep += [path for path in videos if path.parent != class_folder.path][:1]
            return sorted(videos)
        if class_folder.is_clip:
            self._loose.append(class_folder.path)
        self._modalities.update(folder.name for folder in beside)
        self._unclear += unclear_clips
        for folder in frames:
            if folder.frames is None:
                self._unclear.append(f"{folder.path}: {folder.unclear}")
            else:
                self._patterns.update(folder.frames.passed_over)
        return [folder.path for folder in frames if folder.frames is not None]

    def remarks(self, root: Path, folder: Folder) -> list[str]:
        """Returns a sentence for each kind of skipped file in the class folders and in the folder itself."""
        found = []
        if self._others:
            number = sum(self._others.values())
            found.append(f"skipped {counted(number, 'other file')}: {_kinds(self._others)}")
        lists: tuple[tuple[str, list[Path]], ...] = (
            ("folders of images in classes that also have videos are not used", self._beside_videos),
            ("links to a parent folder are not followed", [*self._loops, *folder.loops]),
            ("videos outside the class folders are not used", folder.videos),
            (
                "class folders contain images outside clip folders, which are not used (expected "
                "<class>/<clip>/<images>)",
                self._loose,
            ),
        )
        for what, paths in lists:
            if paths:
                found.append(f"{what}: {len(paths):,}, first {paths[0].relative_to(root).as_posix()}")
        for what, counts in (("images", self._patterns), ("folders", self._modalities)):
            if counts:
                found.append(f"{what} beside the frames are not used: {_kinds(counts)}")
        if self._unclear:
            more = f" ({len(self._unclear) - 1:,} more)" if self._unclear[1:] else ""
            found.append(f"not used: {self._unclear[0]}{more}")
        if self._deep:
            first = self._deep[0].relative_to(root).as_posix()
            found.append(f"clips in subfolders belong to the class folder above them, first {first}")
        return found


def _kinds(counts: Counter[str]) -> str:
    return some([f"{kind} ({count:,})" for kind, count in sorted(counts.items())])
