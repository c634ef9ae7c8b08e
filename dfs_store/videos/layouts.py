"""What lies on disk: one small reader per layout, each giving the same list of clips.

Classes are always numbered by Python's sort of their names; what the lists of a dataset say about
numbers is ignored.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfs_store.errors import DatasetNotFoundError, EmptyClassError, SettingsError

__all__ = ["READERS", "ClipFile", "ClipList", "VIDEO_SUFFIXES", "check_classes", "keep_classes"]

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()
)


@dataclass(frozen=True)
class ClipFile:
    """One video of a dataset.

    Attributes:
        file: path inside the root, with forward slashes.
        class_name: name of its class.
    """

    file: str
    class_name: str


@dataclass(frozen=True)
class ClipList:
    """The videos of one split, as its lists or folders name them.

    Attributes:
        root: the folder that the files' paths start from.
        clips: the videos that exist, by class and then in the order of list or name.
        classes: names, in Python's sort order; label i is classes[i].
        missing: files that a list names and that do not exist.
        absent_classes: classes that a list names and that have no folder at all; they are left out.
    """

    root: Path
    clips: list[ClipFile]
    classes: list[str]
    missing: list[str] = field(default_factory=list)
    absent_classes: list[str] = field(default_factory=list)


Reader = Callable[[Path, str, int], ClipList]
"""Takes the root, "train" or "test" and the number of the official split."""


def read_ucf(root: Path, split: str, official_split: int) -> ClipList:
    """UCF101: UCF-101/<Class>/*.avi and ucfTrainTestlist/{train,test}list01.txt."""
    name = f"{split}list{official_split:02d}.txt"
    lists = _first_file(
        [root / "ucfTrainTestlist" / name, root / name, root.parent / "ucfTrainTestlist" / name],
        "the list of clips of UCF101",
    )
    videos = _first_folder([root / "UCF-101", root / "UCF101", root / "videos", root])
    # A line is "<Class>/<file>" or "<Class>/<file> <number>"; the number is not needed.
    entries = [line.split()[0] for line in _lines(lists)]
    named = [(entry, entry.split("/")[0]) for entry in entries if "/" in entry]
    return _only_present_classes(_existing(root, videos, named), videos)


def read_hmdb(root: Path, split: str, official_split: int) -> ClipList:
    """HMDB51: <class>/*.avi and testTrainMulti_7030_splits/<class>_test_split<n>.txt.

    A line is "<file> <0|1|2>". 1 is training, 2 is test and 0 is unused by the official split; the
    baseline that the published numbers follow trains on 1 and 0, and so do we (5236 clips).
    """
    splits = _first_folder(
        [root / "testTrainMulti_7030_splits", root / "test_train_splits" / "testTrainMulti_7030_splits", root]
    )
    ending = f"_test_split{official_split}.txt"
    lists = sorted(splits.glob(f"*{ending}"))
    if not lists:
        raise DatasetNotFoundError(f"no split files *{ending} of HMDB51 in {splits}")
    videos = _first_folder([root / "hmdb51_org", root / "hmdb51", root / "HMDB51", root / "videos", root])
    wanted = {"2"} if split == "test" else {"0", "1"}
    named = []
    for path in lists:
        class_name = path.name.removesuffix(ending)
        for line in _lines(path):
            file, _, part = line.rpartition(" ")
            if part in wanted:
                named.append((f"{class_name}/{file.strip()}", class_name))
    return _only_present_classes(_existing(root, videos, named), videos)


def read_kinetics(root: Path, split: str, official_split: int) -> ClipList:
    """Kinetics-400: train|val/<class>/*.mp4, or flat with train.csv and val.csv."""
    names = ("train",) if split == "train" else ("val", "validate", "validation", "test")
    folder = next((root / name for name in names if (root / name).is_dir()), None)
    if folder is None:
        raise _no_such_split(root, split, names)
    if any(child.is_dir() for child in folder.iterdir()):
        return _class_folders(root, folder)
    tables = [base / f"{name}.csv" for base in (root, root / "annotations", folder) for name in names]
    table = _first_file(tables, f"the table of the clips in {folder}, which has no class folders,")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    named = []
    for row in rows:
        stem = f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"
        named.append((f"{stem}.mp4", row["label"].strip('"')))
    return _existing(root, folder, named)


def read_ssv2(root: Path, split: str, official_split: int) -> ClipList:
    """Something-Something V2: <id>.webm and the JSON lists with "id" and "template"."""
    names = ("train",) if split == "train" else ("validation",)
    tables = [
        base / f"{prefix}{name}.json"
        for base in (root, root / "labels", root / "annotations")
        for prefix in ("something-something-v2-", "")
        for name in names
    ]
    table = _first_file(tables, "the list of clips of Something-Something V2")
    videos = _first_folder([root / "20bn-something-something-v2", root / "videos", root])
    entries = json.loads(table.read_text(encoding="utf-8"))
    named = [
        (f"{entry['id']}.webm", entry["template"].replace("[", "").replace("]", "")) for entry in entries
    ]
    return _existing(root, videos, named)


def read_folders(root: Path, split: str, official_split: int) -> ClipList:
    """Any folder of <class>/<clips>, or train|test/<class>/<clips> (val counts as test)."""
    parts = {
        part: next((root / name for name in names if _has_class_folders(root / name)), None)
        for part, names in (("train", ("train",)), ("test", ("test", "val", "validation")))
    }
    if parts["train"] is None and parts["test"] is None:
        if split != "train":
            raise DatasetNotFoundError(
                f"{root} has class folders but no train/ and test/, so it has no split {split!r}: all of it is "
                "the training split. Move some clips of every class to test/<class>/ and the rest to "
                "train/<class>/"
            )
        return _class_folders(root, root)
    folder = parts[split]
    if folder is None:
        raise _no_such_split(root, split, (split,))
    found = _class_folders(root, folder)
    other = parts["test" if split == "train" else "train"]
    if split != "train" and other is not None:
        training = {path.name for path in _subfolders(other)}
        if unknown := sorted(set(found.classes) - training):
            raise SettingsError(
                f"{folder} has classes that {other} has not: {_some(unknown)}. Every class needs training clips"
            )
        found = replace(found, classes=sorted(training))
    return found


READERS: dict[str, Reader] = {
    "ucf": read_ucf,
    "hmdb": read_hmdb,
    "kinetics": read_kinetics,
    "ssv2": read_ssv2,
    "folders": read_folders,
}


def keep_classes(found: ClipList, classes: Iterable[str]) -> ClipList:
    """Returns the part of a list that belongs to some classes.

    Raises:
        SettingsError: a class is not there, or none is given.
    """
    wanted = set(classes)
    if not wanted:
        raise SettingsError("classes must name at least one class, got none")
    if unknown := sorted(wanted - set(found.classes)):
        raise SettingsError(
            f"no such class: {_some(unknown)}; the {len(found.classes)} classes are {_some(found.classes, 120)}"
        )
    return ClipList(
        found.root,
        [clip for clip in found.clips if clip.class_name in wanted],
        sorted(wanted),
        [file for file in found.missing if any(part in wanted for part in file.split("/"))],
        found.absent_classes,
    )


def check_classes(found: ClipList, split: str) -> None:
    """Raises EmptyClassError if a class has no clip at all."""
    counts = Counter(clip.class_name for clip in found.clips)
    empty = [name for name in found.classes if not counts[name]]
    if not found.classes or not found.clips:
        raise EmptyClassError(f"there are no video files of the split {split!r} in {found.root}")
    if empty:
        absent = f"; {len(found.missing)} files of its lists do not exist" if found.missing else ""
        raise EmptyClassError(
            f"no clip of the split {split!r} for {_some(empty)} in {found.root} ({len(empty)} of "
            f"{len(found.classes)} classes are empty{absent}). Add the videos, or leave these classes out "
            "with --classes"
        )


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _first_file(candidates: list[Path], what: str) -> Path:
    for path in candidates:
        if path.is_file():
            return path
    raise DatasetNotFoundError(
        f"{what} was not found; looked for " + ", ".join(str(path) for path in candidates)
    )


def _first_folder(candidates: list[Path]) -> Path:
    return next((path for path in candidates if path.is_dir()), candidates[-1])


def _no_such_split(root: Path, split: str, names: tuple[str, ...]) -> DatasetNotFoundError:
    there = _some(sorted(path.name for path in _subfolders(root))) or "no folder at all"
    return DatasetNotFoundError(
        f"{root} has no split {split!r}: there is no folder {' or '.join(names)} with a folder per class in it "
        f"(there is {there})"
    )


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _has_class_folders(folder: Path) -> bool:
    return bool(_subfolders(folder))


def _class_folders(root: Path, folder: Path) -> ClipList:
    clips = [
        ClipFile(path.relative_to(root).as_posix(), class_folder.name)
        for class_folder in _subfolders(folder)
        for path in _videos_under(class_folder)
    ]
    classes = sorted(path.name for path in _subfolders(folder))
    if not classes:
        raise DatasetNotFoundError(
            f"{folder} has no class folders; it must hold <class>/<clips> or train|test/<class>/<clips>"
        )
    return ClipList(root, sorted(clips, key=lambda clip: (clip.class_name, clip.file)), classes)


def _videos_under(folder: Path) -> list[Path]:
    found = []
    for where, _, names in os.walk(folder):
        found += [
            Path(where, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES
        ]
    return sorted(found)


def _existing(root: Path, videos: Path, named: list[tuple[str, str]]) -> ClipList:
    """Returns the listed videos that exist; a name may differ from the file's in upper and lower case."""
    prefix = "" if videos == root else f"{videos.relative_to(root).as_posix()}/"
    listings: dict[str, dict[str, str]] = {}
    clips, missing = [], []
    for entry, class_name in dict.fromkeys(named):
        folder, _, name = entry.rpartition("/")
        if folder not in listings:
            listings[folder] = _names_in(videos / folder)
        listing = listings[folder]
        actual = name if listing.get(name) else listing.get(name.lower())
        if actual is None:
            missing.append(prefix + entry)
        else:
            clips.append(ClipFile(prefix + (f"{folder}/" if folder else "") + actual, class_name))
    classes = sorted({class_name for _, class_name in named})
    return ClipList(root, sorted(clips, key=lambda clip: clip.class_name), classes, missing)


def _only_present_classes(found: ClipList, videos: Path) -> ClipList:
    """Leaves out the classes that a root has no folder for: a part of a dataset is a dataset."""
    present = [name for name in found.classes if (videos / name).is_dir()]
    absent = sorted(set(found.classes) - set(present))
    if not present:
        raise DatasetNotFoundError(
            f"{videos} has a folder for none of the {len(absent)} classes ({_some(absent, 3)}, ...)"
        )
    missing = [file for file in found.missing if not set(file.split("/")) & set(absent)]
    return replace(found, classes=present, missing=missing, absent_classes=absent)


def _names_in(folder: Path) -> dict[str, str]:
    """Returns file names by themselves and by their lower-case form."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name.lower(): name for name in names} | {name: name for name in names}


def _some(names: Iterable[str], most: int = 12) -> str:
    """Returns names joined for a message, cut short when there are many."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest
