"""Formats tables of results as text, Markdown, LaTeX and CSV. Does not import torch."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import NamedTuple

from dfs_store.evaluate.result import accuracy_text
from dfs_store.evaluate.seeds import grouped, kind_of
from dfs_store.evaluate.table_row import TableRow
from dfs_store.names import counted, duration_text

__all__ = ["STYLES", "title_of", "to_csv", "to_latex", "to_markdown", "to_text"]

_NOTES = {
    "paper %": "the paper's mean ± spread over three runs. The public code of the other methods selects on "
    "the test clips; here the last epoch counts",
    "over random": "percentage points above random real clips with the same VPC and all frames, ± half the "
    "95 % interval, paired over seeds",
    "made in": "duration and device per store; clip passes: clips passed through a network to make it",
}


class Block(NamedTuple):
    """The cells of rows with the same evaluation.

    Attributes:
        title: description of the evaluation.
        columns: names of the columns that are not empty.
        rows: the cells.
        notes: explanations of columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: tuple[str, ...]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _with_spread(mean: float | None, spread: float | None, sign: str = "") -> str:
    if mean is None:
        return "-"
    return f"{mean:{sign}.1f}" + ("" if spread is None else f" ± {spread:.1f}")


def _accuracy(row: TableRow) -> str:
    return accuracy_text(row.mean, row.std, max(row.runs, row.seeds))


def _made_in(row: TableRow) -> str:
    if row.cost_seconds is None:
        return "-"
    return f"{duration_text(row.cost_seconds)}, {row.cost_device or 'unknown'}"


_COLUMNS: dict[str, Callable[[TableRow], str]] = {
    "method": lambda row: row.label,
    "VPC": lambda row: "-" if row.vpc is None else str(row.vpc),
    "seeds": lambda row: "-" if not row.by_seed else str(row.seeds),
    "accuracy %": _accuracy,
    "over random": lambda row: _with_spread(row.over_random, row.over_random_interval, "+"),
    "paper %": lambda row: _with_spread(row.paper, row.paper_spread),
    "key frames per class": lambda row: _number(row.key_frames_per_class, 2),
    "MiB (float32)": lambda row: _number(row.mebibytes, 2),
    "paper MB": lambda row: _number(row.paper_mebibytes, 0),
    "MiB stored": lambda row: _small(row.stored_mebibytes),
    "MiB on disk": lambda row: _small(row.on_disk_mebibytes),
    "% of dense float32": lambda row: _number(row.percent_of_dense, 1),
    "% of dataset": lambda row: _number(row.percent_of_dataset, 2),
    "made in": _made_in,
    "clip passes": lambda row: _number(row.cost_clip_passes, 0),
    "training passes": lambda row: str(row.passes),
}
_ALWAYS = ("method", "VPC", "accuracy %", "MiB (float32)", "MiB stored", "MiB on disk")


def _small(value: float | None) -> str:
    return _number(value, 2 if value is None or value >= 0.1 else 4)


def _blocks(rows: Sequence[TableRow]) -> list[Block]:
    return [_block(group) for group in grouped(rows, kind_of).values()]


def _block(rows: Sequence[TableRow]) -> Block:
    cells = {name: [write(row) for row in rows] for name, write in _COLUMNS.items()}
    shown = [name for name, values in cells.items() if name in _ALWAYS or set(values) != {"-"}]
    if len(set(cells["training passes"])) == 1:
        shown.remove("training passes")
    if not any(row.seeds > 1 for row in rows):
        shown = [name for name in shown if name != "seeds"]
    notes = tuple(f"{name}: {text}" for name, text in _NOTES.items() if name in shown)
    lines = list(zip(*(cells[name] for name in shown), strict=True))
    return Block(title_of(rows[0]), tuple(shown), lines, notes)


def title_of(row: TableRow) -> str:
    """Returns a title that describes how a row was evaluated."""
    split = "" if row.split is None else f", split {row.split}{' (declared)' if row.split_declared else ''}"
    stride = "" if row.stride is None else f" at stride {row.stride}" if row.stride > 1 else ""
    held = "" if row.hold_out is None else f", on training clips held out ({row.hold_out:g})"
    chance = f", chance {row.chance:.1f} %" if row.metric == "top1" else ""
    clips = f"{counted(row.num_test_clips, 'clip')} of {row.frames}x{row.size}x{row.size}{stride}"
    lengths = f"{counted(row.runs, 'run')} of {counted(row.title_epochs, 'epoch')}"
    recipe = "" if row.recipe == "paper" else f", recipe {row.recipe}"
    what = f"{row.dataset} ({counted(row.num_classes, 'class')}{split}{chance}), {clips}"
    how = f"{row.model}, protocol {row.protocol}{recipe}, {lengths}"
    return f"{what}, {how}, {row.metric.replace('top', 'top-')}{held}"


def to_text(rows: Sequence[TableRow]) -> str:
    """Formats rows as aligned columns, with one block per kind of evaluation."""
    texts = []
    for block in _blocks(rows):
        table = [block.columns, *block.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(block.columns))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
        texts.append("\n".join([block.title, *(f"  {line}" for line in (*lines, *block.notes))]))
    return "\n\n".join(texts)


def to_markdown(rows: Sequence[TableRow]) -> str:
    """Formats rows as Markdown tables, with one table per kind of evaluation."""
    texts = []
    for block in _blocks(rows):
        lines = [_piped(block.columns), _piped(["---"] * len(block.columns)), *map(_piped, block.rows)]
        notes = [part for note in block.notes for part in ("", _markdown(note) + ".")]
        texts.append("\n".join([f"**{_markdown(block.title)}**", "", *lines, *notes]))
    return "\n\n".join(texts)


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_markdown, cells)) + " |"


def _markdown(text: str) -> str:
    """Escapes the characters that end a cell or start emphasis, code, a link or HTML."""
    joined = " ".join(text.split())
    for letter in "\\|*_`[]<":
        joined = joined.replace(letter, f"\\{letter}")
    return joined


def to_latex(rows: Sequence[TableRow]) -> str:
    """Formats rows as LaTeX tables (booktabs package), with one table per kind of evaluation."""
    texts = ["% \\usepackage{booktabs}"]
    for block in _blocks(rows):
        spec = "l" + "r" * (len(block.columns) - 1)
        lines = [" & ".join(map(_latex, row)) + r" \\" for row in (block.columns, *block.rows)]
        caption = ". ".join(map(_latex, (block.title, *block.notes)))
        table = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}.}}",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        texts.append("\n".join(table))
    return "\n\n".join(texts)


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def to_csv(rows: Sequence[TableRow]) -> str:
    """Formats all fields of all rows as CSV with full precision and a header line.

    Strings that a spreadsheet would interpret as a formula are prefixed with an apostrophe.
    """
    text = io.StringIO()
    names = [each.name for each in fields(TableRow)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _spreadsheet(getattr(row, name)) for name in names} for row in rows)
    return text.getvalue().rstrip("\n")


def _spreadsheet(value: object) -> object:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


STYLES: dict[str, Callable[[Sequence[TableRow]], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
}
