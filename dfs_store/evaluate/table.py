"""Results side by side: one row per evaluation, as text, Markdown or CSV, and accuracy against MiB.

Light: no torch.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.errors import MissingDependencyError, NotAStoreError, SettingsError, StoreNotFoundError
from dfs_store.evaluate.published import (
    PAPER_EPOCHS,
    PAPER_METHODS,
    PAPER_RUNS,
    PAPER_TEST_CLIPS,
    metric_of,
    published,
)
from dfs_store.evaluate.result import accuracy_text
from dfs_store.format import StorageReport
from dfs_store.format.io.durable import write_durably
from dfs_store.names import counted
from dfs_store.videos.files.catalogue import CATALOGUE, FOLDER

__all__ = ["TableRow", "plot", "read_results", "to_csv", "to_markdown", "to_text"]

SCHEMA = "dfs.evaluate/1"


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One evaluation.

    Attributes:
        dataset, method, vpc, dtype: what was condensed, and how; vpc and dtype are None for `whole`,
            dtype also for native arrays.
        model, protocol, recipe, labels, epochs, passes, runs: how it was evaluated; `epochs` is the published
            argument, which makes one pass more.
        split: official split; None if the dataset has a single one.
        split_declared: whether the user gave the split because the store does not record its own.
        hold_out: the share of the training clips that was held out to test on; None for the test clips.
        frames, stride, size: of the clips tested on.
        num_test_clips: their number.
        metric: "top1" or "top5", what the paper reports for the dataset.
        mean, std: of the metric over the runs, in percent.
        num_classes: classes told apart.
        chance: top-1 of always answering the most frequent class, in percent.
        elapsed_seconds: of the evaluation.
        paper: the paper's figure in percent, for what was evaluated as there: all classes, the test clips of
            split 1, as many and cut as there, ConvNet3D, protocol and recipe "paper", 500 epochs (501
            passes), the published learning rate and batch size, at least 3 runs; else None.
        paper_std: the paper's plus-minus.
        paper_mebibytes: the paper's storage, as it prints it.
        mebibytes: key frames as float32, the paper's rule; of a method that is not made of key frames, its
            native arrays.
        stored_mebibytes: key frames and index as they are stored; or native arrays.
        on_disk_mebibytes: all files of the store.
        percent_of_dense: stored, in percent of the same clips with all frames as float32.
        percent_of_dataset: on disk, in percent of the training videos on disk (the paper's percentage).
        file: the result this row was read from.
    """

    dataset: str
    method: str
    vpc: int | None
    dtype: str | None
    model: str
    protocol: str
    recipe: str
    labels: str
    epochs: int
    passes: int
    runs: int
    split: int | None
    split_declared: bool
    hold_out: float | None
    frames: int
    stride: int | None
    size: int
    num_test_clips: int
    num_classes: int
    chance: float
    elapsed_seconds: float
    metric: str
    mean: float
    std: float
    paper: float | None
    paper_std: float | None
    paper_mebibytes: float | None
    mebibytes: float | None
    stored_mebibytes: float | None
    on_disk_mebibytes: float | None
    percent_of_dense: float | None
    percent_of_dataset: float | None
    file: str


def read_results(paths: Sequence[str | Path]) -> list[TableRow]:
    """Reads results that `dfs evaluate` kept, and sorts them by dataset, vpc and method.

    Args:
        paths: JSON files, or folders, whose results (files ending in .json with the right schema) are taken.

    Raises:
        StoreNotFoundError: a path is not there.
        NotAStoreError: a file is no such result, or lacks something.
        SettingsError: nothing is found.
    """
    rows = []
    for path in map(Path, paths):
        if path.is_dir():
            found = [document for file in sorted(path.glob("*.json")) if (document := _result(file))]
            rows += [_checked_row(document) for document in found]
            continue
        document = _result(path)
        if document is None:
            raise NotAStoreError(f"{path} is no result of `dfs evaluate` (a JSON document {SCHEMA!r})")
        rows.append(_checked_row(document))
    if not rows:
        raise SettingsError(f"no result of `dfs evaluate` lies in {', '.join(map(str, paths))}")
    return sorted(rows, key=_place)


def _place(row: TableRow) -> tuple[Any, ...]:
    # The paper's order; what it does not have comes after.
    of_paper = PAPER_METHODS.index(row.method) if row.method in PAPER_METHODS else len(PAPER_METHODS)
    return (
        row.dataset,
        row.model,
        row.protocol,
        row.hold_out or 0.0,
        row.vpc or 10**9,
        of_paper,
        row.method == "whole",
        row.method,
        row.file,
    )


def _result(file: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreNotFoundError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    return {**document, "file": str(file)}


def _checked_row(found: dict[str, Any]) -> TableRow:
    try:
        return _row(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotAStoreError(
            f"{found['file']} is a result that lacks something or holds it in another form "
            f"({type(error).__name__}: {error}); make it again with `dfs evaluate`"
        ) from error


def _row(found: dict[str, Any]) -> TableRow:
    test, storage = found["test"], None if found.get("storage") is None else StorageReport(**found["storage"])
    dataset, method, vpc = test["dataset"], found.get("method") or "unknown", found.get("vpc")
    metric = metric_of(dataset)
    cell = published(dataset, method, vpc) if _is_as_published(found) else None
    of_key_frames = storage is not None and storage.native_bytes is None
    paper_bytes = stored = on_disk = dense = None
    if storage is not None:
        paper_bytes = storage.float32_bytes if of_key_frames else storage.method_bytes
        stored = storage.method_bytes + of_key_frames * storage.index_bytes
        on_disk, dense = storage.on_disk_bytes, storage.dense_bytes
    whole_bytes = found.get("dataset_bytes")
    return TableRow(
        dataset=str(dataset),
        method=str(method),
        vpc=None if vpc is None else int(vpc),
        dtype=found.get("dtype") if of_key_frames else None,
        model=str(found["model"]),
        protocol=str(found["protocol"]),
        recipe=str(found["recipe"]),
        labels=str(found["labels"]),
        epochs=int(found["epochs"]),
        passes=int(found["passes"]),
        runs=int(found["runs"]),
        split=None if test["split"] is None else int(test["split"]),
        split_declared=bool(test["split_declared"]),
        hold_out=None if test["hold_out"] is None else float(test["hold_out"]),
        frames=int(test["frames"]),
        stride=None if test["stride"] is None else int(test["stride"]),
        size=int(test["size"]),
        num_test_clips=int(test["num_clips"]),
        num_classes=int(found["num_classes"]),
        chance=float(found["chance"]),
        elapsed_seconds=float(found["elapsed_seconds"]),
        metric=metric,
        mean=float(found[metric]["mean"]),
        std=float(found[metric]["std"]),
        paper=cell.accuracy if cell else None,
        paper_std=cell.spread if cell else None,
        paper_mebibytes=cell.mebibytes if cell else None,
        mebibytes=_share(paper_bytes, MEBIBYTE),
        stored_mebibytes=_share(stored, MEBIBYTE),
        on_disk_mebibytes=_share(on_disk, MEBIBYTE),
        percent_of_dense=_share(stored, dense, 100),
        percent_of_dataset=_share(on_disk, whole_bytes, 100),
        file=found["file"],
    )


def _is_as_published(found: dict[str, Any]) -> bool:
    """Whether a result was made as the paper's numbers were."""
    test = found["test"]
    info = CATALOGUE.get(test["dataset"], FOLDER)
    usual = {
        "model": "convnet3d",
        "protocol": "paper",
        "recipe": "paper",
        "epochs": PAPER_EPOCHS,
        "lr": 0.01,
        "batch_size": 256,
        "num_classes": info.num_classes,
    }
    usual_test = {
        "split": 1 if info.official_splits > 1 else None,
        "hold_out": None,
        "frames": info.sampling.frames,
        "stride": info.sampling.stride,
        "size": info.sampling.size,
    }
    fewest, most = PAPER_TEST_CLIPS.get(test["dataset"], (0, 0))
    return (
        found["runs"] >= PAPER_RUNS
        and found["labels"] in ("hard", "both")  # whose scores are those of hard labels
        and fewest <= test["num_clips"] <= most
        and all(found[name] == value for name, value in usual.items())
        and all(test[name] == value for name, value in usual_test.items())
    )


def _share(part: int | None, whole: int | None, times: int = 1) -> float | None:
    return None if part is None or not whole else times * part / whole


_COLUMNS = (
    "method", "VPC", "accuracy %", "paper %", "MiB (float32)", "paper MB", "MiB stored", "MiB on disk",
    "% of dense", "% of dataset",
)  # fmt: skip


def _cells(row: TableRow) -> tuple[str, ...]:
    return (
        row.method + ("" if row.dtype in (None, "float32") else f" ({row.dtype})"),
        "" if row.vpc is None else str(row.vpc),
        accuracy_text(row.mean, row.std, row.runs),
        "-" if row.paper is None else accuracy_text(row.paper, row.paper_std or 0.0, 1 + bool(row.paper_std)),
        _number(row.mebibytes, 2),
        _number(row.paper_mebibytes, 0),
        _number(row.stored_mebibytes, 2),
        _number(row.on_disk_mebibytes, 2),
        _number(row.percent_of_dense, 1),
        _number(row.percent_of_dataset, 2),
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _groups(rows: Sequence[TableRow]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Puts rows that were evaluated alike under one title."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        groups.setdefault(_title(row), []).append(_cells(row))
    return list(groups.items())


def _title(row: TableRow) -> str:
    """Says how and on what a row was evaluated."""
    split = "" if row.split is None else f", split {row.split}{' (declared)' if row.split_declared else ''}"
    stride = "" if row.stride is None else f" at stride {row.stride}" if row.stride > 1 else ""
    held = "" if row.hold_out is None else f", on training clips held out ({row.hold_out:g})"
    chance = f", chance {row.chance:.1f} %" if row.metric == "top1" else ""
    clips = f"{row.num_test_clips:,} clips of {row.frames}x{row.size}x{row.size}{stride}"
    lengths = f"{counted(row.runs, 'run')} of {counted(row.epochs, 'epoch')}"
    what = f"{row.dataset} ({row.num_classes} classes{split}{chance}), {clips}"
    how = f"{row.model}, protocol {row.protocol}, {lengths}"
    return f"{what}, {how}, {row.metric.replace('top', 'top-')}{held}"


def to_text(rows: Sequence[TableRow]) -> str:
    """Writes aligned columns, one block per kind of evaluation."""
    blocks = []
    for title, cells in _groups(rows):
        table = [_COLUMNS, *cells]
        widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
        blocks.append("\n".join([title, *(f"  {line}" for line in lines)]))
    return "\n\n".join(blocks)


def to_markdown(rows: Sequence[TableRow]) -> str:
    """Writes Markdown tables, one per kind of evaluation."""
    blocks = []
    for title, cells in _groups(rows):
        lines = [_piped(_COLUMNS), _piped(["---"] * len(_COLUMNS)), *map(_piped, cells)]
        blocks.append("\n".join([f"**{title}**", "", *lines]))
    return "\n\n".join(blocks)


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def to_csv(rows: Sequence[TableRow]) -> str:
    """Writes every field of every row, full precision, with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(TableRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().rstrip("\n")


def plot(rows: Sequence[TableRow], path: str | Path) -> None:
    """Draws accuracy against stored MiB (logarithmic), a line per method through its VPCs.

    `whole`, which has no store, is a dashed line. The suffix of `path` chooses the format (.png, .svg, .pdf).

    Raises:
        MissingDependencyError: matplotlib is not installed.
        SettingsError: the results were evaluated on several datasets or in several ways, or matplotlib cannot
            write such a file.
    """
    titles = sorted({_title(replace(row, runs=0)) for row in rows})
    if len(titles) > 1:
        raise SettingsError(
            "a plot compares results that were evaluated on one dataset in one way, got "
            f"{len(titles)}: {'; '.join(titles)}"
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("a plot needs matplotlib: pip install 'dfs-store[plot]'") from error
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    names = dict.fromkeys((row.method, row.dtype) for row in rows)
    for method, dtype in names:
        own = [row for row in rows if (row.method, row.dtype) == (method, dtype)]
        if method == "whole":
            axes.axhline(own[0].mean, linestyle="--", color="0.4", label="whole dataset")
            continue
        points = sorted((row.stored_mebibytes or 0.0, row.mean, row.std) for row in own)
        x, y, spread = zip(*points, strict=True)
        label = method if dtype in (None, "float32") else f"{method} ({dtype})"
        axes.errorbar(x, y, yerr=spread, marker="o", capsize=3, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("store, MiB (key frames and index as stored)")
    axes.set_ylabel(f"{rows[0].metric.replace('top', 'top-')} accuracy, %")
    axes.set_title(f"{rows[0].dataset}, {rows[0].model}, protocol {rows[0].protocol}")
    axes.grid(alpha=0.3)
    axes.legend()
    try:
        kind = Path(path).suffix.removeprefix(".") or None
        write_durably(Path(path), lambda file: figure.savefig(file, dpi=150, format=kind))
    except (OSError, ValueError) as error:
        raise SettingsError(f"the plot cannot be written to {path}: {error}") from error
