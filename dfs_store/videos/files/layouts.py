"""Readers for the known dataset layouts. Each returns a list of clips.

Classes are numbered in Python's sort order of their names; class numbers in a dataset's own lists are
ignored.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from dfs_store.errors import DatasetNotFoundError
from dfs_store.names import some
from dfs_store.videos.files.cliplist import ClipList
from dfs_store.videos.files.finding import listed_clips, only_present_classes
from dfs_store.videos.files.folders import class_clips, find_parts, has_classes, read_folders
from dfs_store.videos.files.lists import read_list
from dfs_store.videos.files.reading import Reading
from dfs_store.videos.files.splits import is_container
from dfs_store.videos.files.texts import numbered_lines, read_json, read_table
from dfs_store.videos.files.tree import Folder

__all__ = ["READERS", "Reader"]

Reader = Callable[[Path, str, Reading], ClipList]
"""Takes the root or the list, the split and the reading options, and returns a list of clips."""

_KINETICS_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_AS_LIST = "If it is a list of paths and labels, use it as the dataset: --dataset"


def read_ucf(root: Path, split: str, how: Reading) -> ClipList:
    """Reads UCF101: UCF-101/<Class>/*.avi and ucfTrainTestlist/{train,test}list01.txt."""
    name = f"{split}list{how.official_split:02d}.txt"
    lists = _first_file(
        [root / "ucfTrainTestlist" / name, root / name, root.parent / "ucfTrainTestlist" / name],
        "the list of clips of UCF101",
    )
    videos = _first_folder([root / "UCF-101", root / "UCF101", root / "videos", root])
    named = []
    for number, line in numbered_lines(lists):
        # A line is "<Class>/<file>" or "<Class>/<file> <number>", and the number is not needed.
        entry = line.split()[0].replace("\\", "/").removeprefix("./")
        if "/" not in entry:
            raise DatasetNotFoundError(f"{lists}, line {number}: expected <Class>/<file>, got {line[:120]!r}")
        named.append((entry, entry.split("/")[0]))
    return only_present_classes(listed_clips(root, videos, named, lists.name), videos)


def read_hmdb(root: Path, split: str, how: Reading) -> ClipList:
    """Reads HMDB51: <class>/*.avi and testTrainMulti_7030_splits/<class>_test_split<n>.txt.

    A line is "<file> <0|1|2>", where 1 marks training clips, 2 test clips, and 0 clips that the official
    split does not use. The published baseline trains on the 5236 clips marked 1 or 0, so this reader
    returns these for training.
    """
    splits = _first_folder(
        [root / "testTrainMulti_7030_splits", root / "test_train_splits" / "testTrainMulti_7030_splits", root]
    )
    ending = f"_test_split{how.official_split}.txt"
    lists = sorted(path for path in splits.glob(f"*{ending}") if not path.name.startswith("."))
    if not lists:
        raise DatasetNotFoundError(f"{splits} contains no HMDB51 split files (*{ending})")
    videos = _first_folder([root / "hmdb51_org", root / "hmdb51", root / "HMDB51", root / "videos", root])
    wanted = {"2"} if split == "test" else {"0", "1"}
    named = []
    for path in lists:
        class_name = path.name.removesuffix(ending)
        for number, line in numbered_lines(path):
            file, *part = line.rsplit(maxsplit=1)
            if part not in (["0"], ["1"], ["2"]):
                raise DatasetNotFoundError(
                    f"{path}, line {number}: expected <file> <0, 1 or 2>, got {line[:120]!r}"
                )
            if part[0] in wanted:
                named.append((f"{class_name}/{file}", class_name))
    return only_present_classes(listed_clips(root, videos, named, f"*{ending}"), videos)


def read_kinetics(root: Path, split: str, how: Reading) -> ClipList:
    """Reads Kinetics-400: train|val/<class>/*.mp4, or train|val/*.mp4 with csv tables, and replacement/."""
    parts = find_parts(Folder(root), sure=True)
    folder = None if parts is None else parts.train if split == "train" else parts.test
    if parts is None or folder is None:
        there = some(sorted(child.name for child in Folder(root).folders)) or "none"
        raise DatasetNotFoundError(
            f"{root} has no split {split!r}: there is no folder "
            f"{'train' if split == 'train' else 'val or test'} with videos (existing folders: {there})"
        )
    # The clips were distributed as archives, whose folders are called part_0, part_1 and so on.
    archives = [child.path for child in folder.folders if is_container(child.name)]
    if has_classes(folder) and len(archives) < len(folder.folders):
        found = class_clips(root, folder)
    else:
        usual = ("train",) if split == "train" else ("val", "validate", "validation", "test")
        names = dict.fromkeys((folder.path.name, *usual))
        places = (root, root / "annotations", folder.path)
        tables = [place / f"{name}.csv" for place in places for name in names]
        table = _first_file(tables, f"the table of clips for {folder.path}, which has no class folders,")
        also = [*archives, *_replacements(root, folder.path)]
        found = listed_clips(root, folder.path, _kinetics_rows(table), table.name, also=also)
    found.remarks[:0] = parts.remarks
    return found


def _replacements(root: Path, folder: Path) -> list[Path]:
    tops = [place / "replacement" for place in (root, folder)]
    return [each.path for top in tops if top.is_dir() for each in Folder(top).all_below()]


def _kinetics_rows(table: Path) -> Iterable[tuple[str, str]]:
    for line, row in read_table(table):
        if absent := [column for column in _KINETICS_COLUMNS if column not in row]:
            raise DatasetNotFoundError(
                f"{table} must have the columns {', '.join(_KINETICS_COLUMNS)}, but lacks "
                f"{', '.join(absent)}; its first line is {', '.join(row)}. {_AS_LIST} {table}"
            )
        if empty := [column for column in _KINETICS_COLUMNS if not row[column]]:
            raise DatasetNotFoundError(f"{table}, line {line}: the column {empty[0]} is empty")
        start, end = (_seconds(row[column], column, table, line) for column in ("time_start", "time_end"))
        yield f"{row['youtube_id']}_{start:06d}_{end:06d}.mp4", row["label"].strip('"')


def _seconds(text: str, column: str, table: Path, line: int) -> int:
    try:
        value = float(text)
        if value == int(value) >= 0:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise DatasetNotFoundError(
        f"{table}, line {line}: {column} must be a whole number of seconds, got {text!r}"
    )


def read_ssv2(root: Path, split: str, how: Reading) -> ClipList:
    """Reads Something-Something V2: <id>.webm and JSON lists with "id" and "template"."""
    name = "train" if split == "train" else "validation"
    tables = [
        base / f"{prefix}{name}.json"
        for base in (root, root / "labels", root / "annotations")
        for prefix in ("something-something-v2-", "")
    ]
    table = _first_file(tables, "the list of clips of Something-Something V2")
    videos = _first_folder([root / "20bn-something-something-v2", root / "videos", root])
    entries = read_json(table)
    if not isinstance(entries, list) or not entries:
        raise DatasetNotFoundError(
            f"{table} is not a list of clips; it must be a non-empty JSON list of objects"
        )
    named = []
    for number, entry in enumerate(entries, 1):
        keys = list(entry) if isinstance(entry, dict) else [type(entry).__name__]
        if not {"id", "template"} <= set(keys):
            raise DatasetNotFoundError(
                f'{table}, entry {number}: expected the keys "id" and "template", got {", ".join(keys)}'
            )
        template = str(entry["template"]).replace("[", "").replace("]", "")
        named.append((f"{entry['id']}.webm", template))
    return listed_clips(root, videos, named, table.name)


READERS: dict[str, Reader] = {
    "ucf": read_ucf,
    "hmdb": read_hmdb,
    "kinetics": read_kinetics,
    "ssv2": read_ssv2,
    "folders": read_folders,
    "list": read_list,
}


def _first_file(candidates: list[Path], what: str) -> Path:
    for path in candidates:
        if path.is_file():
            return path
    raise DatasetNotFoundError(f"{what} was not found; looked for {', '.join(map(str, candidates))}")


def _first_folder(candidates: list[Path]) -> Path:
    return next((path for path in candidates if path.is_dir()), candidates[-1])
