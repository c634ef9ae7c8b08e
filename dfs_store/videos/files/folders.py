"""Any folder of videos: which of its folders are classes, which are parts, and which only lie around them.

A guess that is wrong would make classes of "Train" and "Test" without a word. So what is not beyond doubt is
refused, with what was found, until `folder_layout="classes"` insists.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dfs_store.errors import DatasetNotFoundError, DecodeError
from dfs_store.videos.files.cliplist import ClipFile, ClipList, some
from dfs_store.videos.files.lists import METADATA, read_list
from dfs_store.videos.files.picture_sequences import is_modality, rgb_of
from dfs_store.videos.files.reading import Reading
from dfs_store.videos.files.splits import SplitName, is_container, split_name
from dfs_store.videos.files.tree import Folder, outermost

__all__ = ["Parts", "class_clips", "find_parts", "has_classes", "read_folders"]

_INSIST = 'If these folders are the classes, say so with --folder-layout classes (folder_layout="classes")'
_LAYOUTS = "<class>/<clips>, or train/<class>/<clips> and test/<class>/<clips>"
_TEST_REMEDY = (
    "all of it is the training split. Move some clips of every class to test/<class>/ and the rest to "
    "train/<class>/, give a list with --test-list, or condense and evaluate with --hold-out 0.2"
)


@dataclass(frozen=True)
class Parts:
    """The folders of the parts of a dataset.

    Attributes:
        train: of the training clips.
        test: of the test clips: a validation folder if there is no test folder.
        remarks: which folders are not used.
    """

    train: Folder | None
    test: Folder | None
    remarks: list[str]


def read_folders(root: Path, split: str, how: Reading) -> ClipList:
    """Reads <class>/<clips>, or train|test/<class>/<clips>, also with another folder around.

    Raises:
        DatasetNotFoundError: no such split, or no layout that is beyond doubt.
    """
    base, remarks = Folder(root), list[str]()
    if how.folder_layout == "classes":
        parts = None
    else:
        base, parts = _inner(base, remarks)
    if parts is None:
        if split != "train":
            raise DatasetNotFoundError(
                f"{root} has class folders but no train/ and test/, so it has no split {split!r}: "
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
            f"{root} has no split {split!r}: there is no folder {split} (or another name for it, as "
            f"{'training' if split == 'train' else 'testing, val or validation'}) with videos; there is "
            f"{there}{more}"
        )
    return folder


def _inner(base: Folder, remarks: list[str], depth: int = 0) -> tuple[Folder, Parts | None]:
    """Returns the folder of the classes or parts: the one given, or the only one in it."""
    if (parts := find_parts(base)) is not None:
        return base, parts
    children = _with_clips(base)
    if depth < 3 and len(children) == 1 and not base.videos:
        (child,) = children
        found, parts = _inner(child, [], depth + 1)
        if parts is not None:
            remarks.append(f"the parts are those in {found.path}")
            return found, parts
    inside, moved = _contained(base, remarks)
    return _inner(inside, remarks, depth + 1) if moved and depth < 3 else (base, None)


def _contained(base: Folder, remarks: list[str]) -> tuple[Folder, bool]:
    """Enters a folder that is only called `videos` or `frames`; of several, the one of videos or RGB frames.

    Raises:
        DatasetNotFoundError: there are several, and none of them is the one beyond doubt.
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
        of_videos = [child for child in left if any(each.videos for each in child.all_below())]
        left = of_videos if len(of_videos) == 1 else left
    if len(left) > 1 or not is_container(left[0].name):
        raise DatasetNotFoundError(
            f"{base.path} has the folders {some(child.name for child in children)}, which are no names of "
            f"classes; it must hold {_LAYOUTS}. Give one of these folders as the dataset. {_INSIST}"
        )
    if not has_classes(left[0]):
        return base, False
    unused = [child.name for child in children if child is not left[0]]
    remarks.append(f"read inside {left[0].path}" + (f"; beside it {some(unused)} not used" if unused else ""))
    return left[0], True


def find_parts(base: Folder, *, sure: bool = False) -> Parts | None:
    """Returns the folders of train and test in a folder; None if none of its folders is called so.

    Args:
        base: the folder.
        sure: the dataset is known to have parts, whatever is beside them (its tables, for example).

    Raises:
        DatasetNotFoundError: some are, but it is not beyond doubt that they are parts, or which.
    """
    children = _with_clips(base)
    named = {child: said for child in children if (said := split_name(child.name)) is not None}
    others = [child for child in children if child not in named]
    plain = [child for child, said in named.items() if said.is_plain]
    if others and not sure and not (plain and _share_classes(plain)):
        if doubtful := [child.name for child in named if named[child].is_bare]:
            raise DatasetNotFoundError(
                f"{base.path} has the folder {some(doubtful)}, named like a part of a dataset, beside "
                f"{some(child.name for child in others)}, which are not. It must hold {_LAYOUTS}. {_INSIST}"
            )
        return None
    groups = defaultdict[tuple[str, ...], dict[str, list[Folder]]](lambda: defaultdict(list))
    for child, said in named.items():
        if said.is_plain or not others:
            groups[said.rest][said.part].append(child)
    if not groups:
        return None
    chosen = _one_group(base, list(groups.values()), children)
    if not all(named[each].is_plain for part in chosen.values() for each in part) and len(chosen) < 2:
        return None  # "train_station" alone
    used = {part: folders[0] for part, folders in chosen.items()}
    test = used.get("test", used.get("val"))
    unused = [child.name for child in children if child not in (used.get("train"), test)]
    remarks = []
    if "test" in used and "val" in used:
        remarks.append(f"{used['val'].path} is not used: there is a test part, {used['test'].name}")
        unused.remove(used["val"].name)
    if unused and not sure:
        remarks.append(f"not used, beside the parts that are, in {base.path}: {some(unused)}")
    return Parts(used.get("train"), test, remarks)


def _one_group(
    base: Folder, groups: list[dict[str, list[Folder]]], children: list[Folder]
) -> dict[str, list[Folder]]:
    """Returns the folders of one family (videos_train, videos_val), by part."""
    joined = defaultdict[str, list[Folder]](list)
    for group in groups:
        for part, folders in group.items():
            joined[part] += folders
    if all(len(folders) == 1 for folders in joined.values()):
        return joined
    whole = [group for group in groups if "train" in group and len(group) > 1] or groups
    if len(whole) > 1:
        whole = [
            g for g in whole if all(any(e.videos for e in f.all_below()) for fs in g.values() for f in fs)
        ]
    if len(whole) == 1 and all(len(folders) == 1 for folders in whole[0].values()):
        return whole[0]
    raise DatasetNotFoundError(
        f"{base.path} has several folders for one part of the dataset: "
        f"{some(child.name for child in children)}. Keep one "
        f"for train and one for test, or give a list. {_INSIST}"
    )


def _share_classes(folders: list[Folder]) -> bool:
    """Whether folders of train and test have folders of the same names that are not clips: classes."""
    by_part = defaultdict[str, set[str]](set)
    for folder in folders:
        said = split_name(folder.name)
        assert said is not None
        by_part["train" if said.part == "train" else "test"] |= {
            f.name for f in _with_clips(folder) if not f.is_clip
        }
    return bool(by_part["train"] & by_part["test"])


def _with_clips(folder: Folder) -> list[Folder]:
    return [child for child in folder.folders if not child.is_empty]


def has_classes(folder: Folder) -> bool:
    """Whether there are folders of clips in a folder, and not clips themselves."""
    return any(not child.is_clip or child.videos for child in _with_clips(folder))


def _metadata(folder: Folder) -> Path | None:
    return next((folder.path / name for name in METADATA if (folder.path / name).is_file()), None)


def _check_classes(folder: Folder, root: Path) -> None:
    """Refuses what cannot be class folders beyond doubt."""
    children = _with_clips(folder)
    if not has_classes(folder):
        _explain_clips(folder, root)
    _check_shared(folder, children)
    for child in children:
        parts = {f.name: said.part for f in _with_clips(child) if (said := _part_in_class(f)) is not None}
        alone = len(parts) == len(_with_clips(child)) and not child.videos
        if len(set(parts.values())) > 1 or (parts and alone):
            raise DatasetNotFoundError(
                f"{child.path} has the folder {some(parts)}, named like a part of a dataset: the clips of "
                "all parts "
                "would be trained on. Move the parts to the top, train/<class>/<clips> and "
                "test/<class>/<clips>, "
                "or give a list of the clips. If the clips of all parts are to be trained on, say so with "
                '--folder-layout classes (folder_layout="classes")'
            )


def _check_shared(folder: Folder, children: list[Folder]) -> None:
    """Refuses folders that all have the same folders of clips: either may be the classes.

    These are parts or kinds of pictures in words that are not known here. Numbered folders are clips, people
    or groups of clips.
    """
    inner = [{each.name for each in child.parts[0] if _may_be_class(each)} for child in children]
    shared = sorted(set.intersection(*inner)) if len(inner) > 1 else []
    if len(shared) > 1:
        raise DatasetNotFoundError(
            f"each of the folders {some(child.name for child in children)} in {folder.path} has the folders "
            f"{some(shared)}: it is not clear which are the classes. If {some(shared)} are, rename the "
            "folders around them to train and test, or give one of these as the dataset. If "
            f"{some(child.name for child in children)} are, say so with --folder-layout classes "
            '(folder_layout="classes")'
        )


def _may_be_class(folder: Folder) -> bool:
    if is_container(folder.name) or any(character.isdecimal() for character in folder.name):
        return False
    clips = (path for each in folder.walk() for path in [*each.videos, *[each.path] * each.is_clip])
    return not folder.is_clip and len(list(islice(clips, 2))) > 1


def _part_in_class(folder: Folder) -> SplitName | None:
    """Returns which part a folder in a class folder is; a folder of frames may be a clip called train_01."""
    said = split_name(folder.name)
    return said if said is not None and (said.is_bare or (said.is_plain and not folder.is_clip)) else None


def _check_several(folder: Folder, root: Path, how: Reading) -> None:
    """Refuses a single class, most often a folder around the classes; empty folders count, too."""
    if len(folder.folders) != 1 or how.classes == (folder.folders[0].name,):
        return
    (child,) = folder.folders
    inner = [each.name for each in _with_clips(child) if not each.is_clip]
    more = (
        f" (it has the folders {some(inner)}: if these are the classes, give {child.path})" if inner else ""
    )
    raise DatasetNotFoundError(
        f"{folder.path} has a single class folder, {child.name}{more}. {_found_lists(root)}A dataset has "
        f"several classes: {_LAYOUTS}. If {child.name} is the only class, say so with --classes "
        f"{child.name}, "
        'or with --folder-layout classes (folder_layout="classes")'
    )


def _explain_clips(folder: Folder, root: Path) -> None:
    """Raises the error about clips that are in no class folder."""
    clips = [child.name for child in _with_clips(folder) if child.is_clip]
    if clips:
        what = (
            f"{folder.path} has folders of pictures, {some(clips, 3)}: a folder of pictures is one clip, the "
            "pictures are its frames, and it must lie in the folder of its class: <class>/<clip>/<pictures>"
        )
    elif folder.videos:
        first = folder.videos[0].name
        what = f"{folder.path} has {len(folder.videos)} videos ({first} ...) and no class folders"
    elif folder.num_pictures:
        what = f"{folder.path} has {folder.num_pictures} pictures and no class folders"
    elif folder.folders:
        others = sum((each.others for each in folder.all_below()), Counter[str]())
        if not others:
            return  # empty class folders: the error that names them is better
        what = f"{folder.path} has no videos or folders of pictures: there are {_kinds(others)}"
    else:
        what = f"{folder.path} has no class folders"
    insist = "" if folder.path == root else f". {_INSIST}"  # it is named like a part
    raise DatasetNotFoundError(f"{what}. {_found_lists(root)}It must hold {_LAYOUTS}{insist}")


def _found_lists(root: Path) -> str:
    """Names the lists in a folder, one of which may be meant."""
    names = sorted(
        path.relative_to(root).as_posix()
        for pattern in ("*.csv", "*.txt", "*.tsv", "*.jsonl", "*/metadata.csv")
        for path in root.glob(pattern)
        if not path.name.startswith(".")
    )
    if not names:
        return ""
    how = f"--dataset {root / names[0]} --root DIR"
    return f"If {some(names, 3)} lists the clips and their classes, give it: {how}. "


def class_clips(root: Path, folder: Path | Folder) -> ClipList:
    """Returns the videos (or folders of frames) in the class folders of a folder, by paths from the root."""
    folder = folder if isinstance(folder, Folder) else Folder(folder)
    if not folder.folders:
        raise DatasetNotFoundError(f"{folder.path} has no class folders; it must hold {_LAYOUTS}")
    tally, clips = _Tally(), []
    for class_folder in folder.folders:
        found = tally.clips_of(class_folder)
        clips += [ClipFile(path.relative_to(root).as_posix(), class_folder.name) for path in found]
    tally.outside(folder)
    clips.sort(key=lambda clip: (clip.class_name, clip.file))
    return ClipList(root, clips, sorted(child.name for child in folder.folders), remarks=tally.remarks(root))


class _Tally:
    """Counts what is passed over in class folders."""

    def __init__(self) -> None:
        self._others = Counter[str]()
        self._beside_videos: list[Path] = []
        self._unclear: list[str] = []
        self._patterns = Counter[str]()
        self._modalities = Counter[str]()
        self._loose: list[Folder] = []
        self._loops: list[Path] = []
        self._deep: list[Path] = []
        self._at_top: list[Path] = []

    def clips_of(self, class_folder: Folder) -> list[Path]:
        """Returns the videos under a class folder; where there are none, the folders of frames in it."""
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
            self._others.update({"pictures": class_folder.num_pictures} if class_folder.num_pictures else {})
            self._deep += [path for path in videos if path.parent != class_folder.path][:1]
            return sorted(videos)
        if class_folder.is_clip:
            self._loose.append(class_folder)
        self._modalities.update(folder.name for folder in beside)
        self._unclear += unclear_clips
        for folder in frames:
            if folder.frames is None:
                self._unclear.append(f"{folder.path}: {folder.unclear}")
            else:
                self._patterns.update(folder.frames.passed_over)
        return [folder.path for folder in frames if folder.frames is not None]

    def outside(self, folder: Folder) -> None:
        """Counts what is beside the class folders."""
        self._at_top = folder.videos
        self._loops += folder.loops

    def remarks(self, root: Path) -> list[str]:
        """Returns a sentence for each kind."""
        found = []
        if self._others:
            number = sum(self._others.values())
            found.append(
                f"{number:,} file{'' if number == 1 else 's'} of other kinds: {_kinds(self._others)}"
            )
        lists: tuple[tuple[str, list[Path]], ...] = (
            ("folders of pictures beside videos of their class are not used", self._beside_videos),
            ("links lead back to a folder that they lie in and are not followed", self._loops),
            ("videos outside the class folders are not used", self._at_top),
            (
                "folders hold pictures directly in the folder of the class, which are not used: a clip is a "
                "folder of its own, <class>/<clip>/<pictures>",
                [folder.path for folder in self._loose],
            ),
        )
        for what, paths in lists:
            if paths:
                found.append(f"{what}: {len(paths):,}, first {paths[0].relative_to(root).as_posix()}")
        for what, counts in (("pictures", self._patterns), ("folders", self._modalities)):
            if counts:
                found.append(f"{what} beside the frames are not used: {_kinds(counts)}")
        if self._unclear:
            more = (
                f" ({len(self._unclear):,} folders are not used for such a reason)"
                if self._unclear[1:]
                else ""
            )
            found.append(f"not used: {self._unclear[0]}{more}")
        if self._deep:
            found.append(
                f"clips in deeper folders count for the class: {self._deep[0].relative_to(root).as_posix()} "
                "..."
            )
        return found


def _kinds(counts: Counter[str]) -> str:
    return some([f"{kind} ({count:,})" for kind, count in sorted(counts.items())])
