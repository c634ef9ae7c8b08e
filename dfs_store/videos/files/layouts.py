"""What lies on disk: one small reader per layout, each giving the same list of clips.

Classes are always numbered by Python's sort of their names; what the lists of a dataset say about
numbers is ignored.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dfs_store.errors import DatasetNotFoundError, SettingsError
from dfs_store.videos.files.cliplist import (
    ClipList,
    folder_clips,
    listed_clips,
    only_present_classes,
    some,
    subfolders,
)

__all__ = ["READERS", "Reader"]

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
    return only_present_classes(listed_clips(root, videos, named), videos)


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
    return only_present_classes(listed_clips(root, videos, named), videos)


def read_kinetics(root: Path, split: str, official_split: int) -> ClipList:
    """Kinetics-400: train|val/<class>/*.mp4, or flat with train.csv and val.csv."""
    names = ("train",) if split == "train" else ("val", "validate", "validation", "test")
    folder = next((root / name for name in names if (root / name).is_dir()), None)
    if folder is None:
        raise _no_such_split(root, split, names)
    if any(child.is_dir() for child in folder.iterdir()):
        return folder_clips(root, folder)
    tables = [base / f"{name}.csv" for base in (root, root / "annotations", folder) for name in names]
    table = _first_file(tables, f"the table of the clips in {folder}, which has no class folders,")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    named = []
    for row in rows:
        stem = f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"
        named.append((f"{stem}.mp4", row["label"].strip('"')))
    return listed_clips(root, folder, named)


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
    return listed_clips(root, videos, named)


def read_folders(root: Path, split: str, official_split: int) -> ClipList:
    """Any folder of <class>/<clips>, or train|test/<class>/<clips> (val counts as test)."""
    parts = {
        part: next((root / name for name in names if _has_class_folders(root / name)), None)
        for part, names in (("train", ("train",)), ("test", ("test", "val", "validation")))
    }
    if parts["train"] is None and parts["test"] is None:
        if split != "train":
            raise DatasetNotFoundError(
                f"{root} has class folders but no train/ and test/, so it has no split {split!r}: all of it "
                "is the training split. Move some clips of every class to test/<class>/ and the rest to "
                "train/<class>/"
            )
        return folder_clips(root, root)
    folder = parts[split]
    if folder is None:
        raise _no_such_split(root, split, (split,))
    found = folder_clips(root, folder)
    other = parts["test" if split == "train" else "train"]
    if split != "train" and other is not None:
        training = {path.name for path in subfolders(other)}
        if unknown := sorted(set(found.classes) - training):
            raise SettingsError(
                f"{folder} has classes that {other} lacks: {some(unknown)}. Every class needs training clips"
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
    there = some(sorted(path.name for path in subfolders(root))) or "no folder at all"
    return DatasetNotFoundError(
        f"{root} has no split {split!r}: there is no folder {' or '.join(names)} with a folder per class in "
        f"it (there is {there})"
    )


def _has_class_folders(folder: Path) -> bool:
    return bool(subfolders(folder))
