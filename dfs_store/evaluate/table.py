"""Reads evaluation results into table rows. Does not import torch."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.errors import NotAStoreError, SettingsError, StoreNotFoundError
from dfs_store.evaluate.published import (
    PAPER_EPOCHS,
    PAPER_METHODS,
    PAPER_RUNS,
    PAPER_TEST_CLIPS,
    metric_of,
    published,
)
from dfs_store.evaluate.record import RESULT_SCHEMA, TRIAL, WHOLE
from dfs_store.evaluate.seeds import over_seeds
from dfs_store.evaluate.table_row import TableRow
from dfs_store.format import StorageReport
from dfs_store.format.io.reading import MOST_RESULT_BYTES, read_json
from dfs_store.videos.files.catalogue import CATALOGUE, FOLDER

__all__ = ["read_results"]


def read_results(paths: Sequence[str | Path]) -> list[TableRow]:
    """Reads the results of `dfs evaluate` and `dfs compare`, and sorts them by dataset, vpc and method.

    Results that record the store's settings and differ only in their seeds are combined into one row.

    Args:
        paths: JSON files, or folders that contain such files or the cells of `dfs compare`. In folders, files
            with a different schema are ignored.

    Raises:
        StoreNotFoundError: a path cannot be read.
        NotAStoreError: a file is not a result, or is incomplete.
        SettingsError: there are no results.
    """
    rows = []
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted({*path.glob("*.json"), *path.glob("*/result.json")})
            found = [document for file in files if (document := _result(file, named=False))]
            found = [document for document in found if document.get("control") != TRIAL]
        elif document := _result(path, named=True):
            found = [document]
        else:
            raise NotAStoreError(
                f"{path} is not a result of `dfs evaluate`, which is a JSON document with the schema "
                f"{RESULT_SCHEMA!r}"
            )
        for document in found:
            rows += _checked_rows(document)
    if not rows:
        raise SettingsError(
            f"there are no results of `dfs evaluate` in {', '.join(map(str, paths))}; pass result files, or "
            "folders that contain them"
        )
    return over_seeds(sorted(rows, key=_place))


def _place(row: TableRow) -> tuple[Any, ...]:
    # Methods in the paper's order, then all others.
    of_paper = PAPER_METHODS.index(row.method) if row.method in PAPER_METHODS else len(PAPER_METHODS)
    return (
        row.dataset,
        row.model,
        row.protocol,
        row.hold_out or 0.0,
        row.vpc if isinstance(row.vpc, int) else 10**9,
        row.control or "",
        of_paper,
        row.method == WHOLE,
        row.method,
        row.file,
    )


def _result(file: Path, *, named: bool) -> dict[str, Any] | None:
    try:
        document = read_json(file, MOST_RESULT_BYTES, named=named)
    except OSError as error:
        if not named and error.errno == errno.EINVAL:
            return None  # a pipe or a device
        raise StoreNotFoundError(f"{file} cannot be read ({error.strerror}); check the path") from error
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("schema") != RESULT_SCHEMA:
        return None
    return {**document, "file": str(file)}


def _checked_rows(found: dict[str, Any]) -> list[TableRow]:
    try:
        if found["labels"] != "both":
            return [_row(found)]
        return [_row({**found, "labels": "hard"}), _row({**found, **found["soft"], "labels": "soft"})]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NotAStoreError(
            f"{found['file']} is an incomplete or malformed result ({type(error).__name__}: {error}); run "
            "`dfs evaluate` again"
        ) from error


def _row(found: dict[str, Any]) -> TableRow:
    test, method, vpc = found["test"], found.get("method") or "unknown", found.get("vpc")
    metric = metric_of(test["dataset"])
    settings = dict(found.get("settings") or {})
    model, cost = str(found["model"]), found.get("cost") or {}
    cell = published(test["dataset"], method, vpc, model, settings) if _is_as_published(found) else None
    seed = settings.pop("seed", found.get("seed") if method == WHOLE else None)
    mean = float(found[metric]["mean"])
    return TableRow(
        label=str(method),
        control=found.get("control"),
        settings=settings,
        by_seed={} if seed is None else {int(seed): mean},
        cost_seconds=cost.get("seconds"),
        cost_device=cost.get("device"),
        cost_clip_passes=cost.get("clip_passes"),
        num_train_clips=found.get("num_train_clips"),
        title_epochs=int(found.get("title_epochs") or found["epochs"]),
        method=str(method),
        vpc=vpc if vpc in (None, "all") else int(vpc),
        model=model,
        protocol=str(found["protocol"]),
        recipe=str(found["recipe"]),
        labels=str(found["labels"]),
        epochs=int(found["epochs"]),
        passes=int(found["passes"]),
        runs=int(found["runs"]),
        num_classes=int(found["num_classes"]),
        chance=float(found["chance"]),
        elapsed_seconds=float(found["elapsed_seconds"]),
        metric=metric,
        mean=mean,
        std=float(found[metric]["std"]),
        paper=cell.accuracy if cell else None,
        paper_spread=cell.spread if cell else None,
        paper_mebibytes=cell.mebibytes if cell else None,
        file=found["file"],
        **_tested_on(test),
        **_kept(found),
    )


def _tested_on(test: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a row that describe the test clips."""
    return {
        "dataset": str(test["dataset"]),
        "split": None if test["split"] is None else int(test["split"]),
        "split_declared": bool(test["split_declared"]),
        "hold_out": None if test["hold_out"] is None else float(test["hold_out"]),
        "frames": int(test["frames"]),
        "stride": None if test["stride"] is None else int(test["stride"]),
        "size": int(test["size"]),
        "num_test_clips": int(test["num_clips"]),
    }


def _kept(found: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a row that describe the store, if there is one."""
    if found.get("storage") is None:
        return {}
    storage, key_frames = StorageReport(**found["storage"]), dict[str, Any]()
    paper_bytes = stored_bytes = storage.method_bytes
    if storage.native_bytes is None:
        paper_bytes = storage.float32_bytes
        stored_bytes += storage.index_bytes
        key_frames["key_frames_per_class"] = storage.num_key_frames / int(found["num_classes"])
        key_frames["dtype"] = found.get("dtype")
    return {
        **key_frames,
        "mebibytes": paper_bytes / MEBIBYTE,
        "stored_mebibytes": stored_bytes / MEBIBYTE,
        "on_disk_mebibytes": storage.on_disk_bytes / MEBIBYTE,
        "percent_of_dense": _percent(stored_bytes, storage.dense_bytes),
        "percent_of_dataset": _percent(storage.on_disk_bytes, found.get("dataset_bytes")),
    }


def _is_as_published(found: dict[str, Any]) -> bool:
    """Returns whether the evaluation matches the paper's."""
    test = found["test"]
    info = CATALOGUE.get(test["dataset"], FOLDER)
    usual = {
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
        len(found["top1"]["runs"]) >= PAPER_RUNS
        and found["labels"] == "hard"
        and fewest <= test["num_clips"] <= most
        and all(found[name] == value for name, value in usual.items())
        and all(test[name] == value for name, value in usual_test.items())
    )


def _percent(part: int, whole: int | None) -> float | None:
    return 100 * part / whole if whole else None
