"""Formats a result of `dfs evaluate` as text."""

from typing import TYPE_CHECKING

from dfs_store.names import counted

from .. import _output

if TYPE_CHECKING:
    from dfs_store.evaluate import EvaluationResult, Score
    from dfs_store.format import StorageReport


def evaluation_text(
    store: str,
    result: "EvaluationResult",
    storage: "StorageReport | None",
    *,
    verbose: bool,
) -> str:
    """Formats the scores, the store's size and, if `verbose` is set, the accuracy of each class."""
    from dfs_store.format.io.place import shown_place

    kinds = [("", {"top1": result.top1, "top5": result.top5})] if result.labels != "soft" else []
    kinds += [(", soft labels", result.soft)] if result.soft is not None else []
    rows: list[tuple[str, ...]] = []
    for kind, scores in kinds:
        rows.append((f"top-1{kind}", *_score_cells(scores["top1"])))
        if result.num_classes > 5:
            rows.append((f"top-5{kind}", *_score_cells(scores["top5"])))
    rows.append(("chance", f"{result.chance:.1f} %", "top-1 of always predicting the most frequent class"))
    number, test = len(result.top1.runs), result.test
    trainings = (
        f"{counted(number, 'run')} of {counted(result.epochs, 'epoch')} ({counted(result.passes, 'pass')})"
    )
    split = "" if test.split is None else f", split {test.split}"
    where = " held out of the training clips" if test.hold_out is not None else ""
    head = (
        f"{shown_place(store)} on {test.dataset}{split}: {result.model}, protocol {result.protocol}, "
        f"recipe {result.recipe}, "
        f"{trainings} on {counted(result.num_train_clips, 'clip')}, tested on {test.num_clips:,}{where}"
    )
    lines = [head, _output.table(rows, indent="  ")]
    if test.split_declared:
        lines.append(
            f"  split   {test.split}, declared by --split, since the store does not record its split"
        )
    if storage is not None:
        size = f"{_output.size_text(storage.method_bytes)} of {storage.method_arrays}"
        lines.append(f"  store  {size}, {storage.shares_text}")
    if verbose:
        lines += ["  per class", _output.table(_class_rows(result), indent="    ")]
    return "\n".join(lines)


def _score_cells(score: "Score") -> tuple[str, str]:
    runs = ", ".join(f"{run:.1f}" for run in score.runs)
    return str(score), f"runs {runs}" if len(score.runs) > 1 else ""


def _class_rows(result: "EvaluationResult") -> list[tuple[str, ...]]:
    """Returns each class's accuracy, and the class that it is most often mistaken for."""
    rows: list[tuple[str, ...]] = []
    for label, (name, percent) in enumerate(result.per_class.items()):
        wrong = [0 if other == label else count for other, count in enumerate(result.confusion[label])]
        most = max(wrong)
        share = 100 * most / sum(result.confusion[label])
        taken = f"mistaken for {result.classes[wrong.index(most)]} {share:.1f} %" if most else ""
        rows.append((name, f"{percent:.1f} %", taken))
    return rows
