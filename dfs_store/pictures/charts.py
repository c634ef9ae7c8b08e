"""Charts of stores and runs, drawn with matplotlib."""

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dfs_store.byte_sizes import MEBIBYTE
from dfs_store.errors import MissingDependencyError, SettingsError
from dfs_store.pictures.drawing import LIGHT, Colour, Theme, step_colour
from dfs_store.pictures.phases import Phases

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "CHART_SUFFIXES",
    "Curve",
    "accuracy_against_bytes",
    "chart_bytes",
    "cosine_map",
    "insertion_timeline",
    "storage_per_class",
]

CHART_SUFFIXES = (".png", ".svg", ".pdf")

_DPI = 150
_BAR_INCHES = 0.2
_BARS_PER_COLUMN = 60
_STEP_BINS = 400
# Okabe and Ito's palette, which is safe for colour-blind readers, with matplotlib's brown and purple.
_CLASS_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8c564b", "#9467bd", "#7f7f7f",
    "#bcbd22",
)  # fmt: skip
_COSINE_BINS = 600
_MARKERS = "osD^vP*Xhd<>p"


def insertion_timeline(
    inserted_at: npt.NDArray[np.int32],
    positions: npt.NDArray[np.uint16],
    num_clips: int,
    num_frames: int,
    phases: Phases | None,
    classes: Sequence[str],
    labels: npt.NDArray[np.int64],
    *,
    title: str = "",
    theme: Theme = LIGHT,
) -> "Figure":
    """Draws the step and the position of every insertion, above a chart of the number of key frames per clip.

    Dots are coloured by class if there are at most ten classes, and otherwise by step, as in contact sheets.

    Args:
        inserted_at: 0-based step at which each key frame was inserted, -1 for initial ones, (S,).
        positions: 0-based position of each key frame, (S,).
        num_clips: number of clips that the key frames belong to.
        num_frames: T, the number of frames per clip.
        phases: phases of the run, for shading warm-up and cool-down; None if unknown.
        classes: class names.
        labels: class of each key frame, (S,).
        title: title of the chart.
        theme: colours of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        SettingsError: no key frame was inserted.
    """
    steps = inserted_at[inserted_at >= 0].astype(np.int64)
    if not steps.size:
        raise SettingsError(
            "no key frame was inserted during the run, so there is no timeline; `dfs inspect` lists the key "
            "frames"
        )
    where = positions[inserted_at >= 0].astype(np.int64)
    last = phases.steps if phases is not None else int(steps.max()) + 1
    figure = _figure(9.0, 3.2 + min(num_frames, 40) * 0.14)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    width = max(1, math.ceil(last / _STEP_BINS))  # steps per dot
    most = _draw_insertions(figure, above, steps, where, labels[inserted_at >= 0], classes, last, width)
    above.set_ylim(num_frames - 0.5, -0.5)
    above.set_yticks(range(0, num_frames, max(1, num_frames // 16)))
    above.set_ylabel("position")
    dots = f"one dot per {f'{width:,} steps' if width > 1 else 'step'}"
    dots += f", for up to {most:,} insertions" if most > 1 else ""
    above.set_title(f"{title}: {steps.size:,} key frames inserted ({dots})", fontsize=9, loc="left")
    initial = positions.size - steps.size
    ordered = np.sort(steps)
    grown = (initial + np.arange(ordered.size + 1)) / num_clips
    edges = np.concatenate([[0], ordered + 1, [last]])
    below.stairs(grown, edges, baseline=None, color=_hexadecimal(theme.text))
    below.set_ylabel("key frames\nper clip")
    below.locator_params(axis="y", integer=grown[-1] - grown[0] >= 2)
    below.set_xlabel("step")
    below.set_xlim(0, last)
    if phases is not None:
        _shade(above, below, phases, theme)
    _themed(figure, theme)
    return figure


def _draw_insertions(
    figure: "Figure",
    axes: "Axes",
    steps: npt.NDArray[np.int64],
    where: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    last: int,
    width: int,
) -> int:
    """Draws a dot per class, position and `width` steps. Returns the largest number of insertions per dot."""
    by_class = np.unique(labels).size <= len(_CLASS_COLOURS)
    # Dots of several classes at the same place are drawn side by side.
    kinds = np.unique(labels, return_inverse=True)[1] if by_class else np.zeros_like(labels)
    dots, counts = np.unique(np.stack([steps // width, where, kinds]), axis=1, return_counts=True)
    sizes = 14 + 60 * (counts - 1) / max(1, counts.max() - 1)
    number = int(dots[2].max()) + 1
    heights = dots[1] + 0.7 * ((dots[2] + 0.5) / number - 0.5)
    if by_class:
        for kind, label in enumerate(np.unique(labels).tolist()):
            here = dots[2] == kind
            axes.scatter(
                (dots[0][here] + 0.5) * width, heights[here], s=sizes[here], c=_CLASS_COLOURS[kind],
                alpha=0.85, linewidths=0, label=_short(classes[label]),
            )  # fmt: skip
        figure.legend(loc="outside right upper", fontsize=8, title="class", title_fontsize=8, frameon=False)
    else:
        colours = [_hexadecimal(step_colour(step * width / max(1, last - 1))) for step in dots[0]]
        axes.scatter((dots[0] + 0.5) * width, heights, s=sizes, c=colours, alpha=0.85, linewidths=0)
    return int(counts.max())


def _shade(above: "Axes", below: "Axes", phases: Phases, theme: Theme) -> None:
    spans = (("warm-up", 0, phases.first_insertion), ("cool-down", phases.end_of_insertion, phases.steps))
    for name, start, stop in spans:
        if stop <= start:
            continue
        for axes in (above, below):
            axes.axvspan(start, stop, color=_hexadecimal(theme.faint), alpha=0.18, linewidth=0)
        above.text((start + stop) / 2, 0.0, name, ha="center", va="center", fontsize=8)


def storage_per_class(
    names: Sequence[str],
    size_bytes: npt.NDArray[np.int64],
    dense_bytes: npt.NDArray[np.int64],
    *,
    title: str = "",
    theme: Theme = LIGHT,
) -> "Figure":
    """Draws the storage of each class as a bar, labelled with its percentage of the dense clips' size.

    Args:
        names: names of the C classes.
        size_bytes: size of each class's key frames as stored, in bytes, (C,).
        dense_bytes: size of the same clips with all frames as float32, in bytes, (C,).
        title: title of the chart.
        theme: colours of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    order = np.argsort(-size_bytes, kind="stable")
    columns = -(-len(names) // _BARS_PER_COLUMN)
    rows = -(-len(names) // columns)
    figure = _figure(max(6.4, 4.6 * columns), 1.1 + rows * _BAR_INCHES)
    panels = figure.subplots(1, columns, squeeze=False, sharex=True)[0]
    for number, axes in enumerate(panels):
        shown = order[number * rows : (number + 1) * rows]
        size = size_bytes[shown] / MEBIBYTE
        axes.barh(np.arange(shown.size), size, height=0.72, color=_hexadecimal(step_colour(0.0)))
        axes.set_yticks(np.arange(shown.size), [_short(names[label]) for label in shown], fontsize=7)
        axes.set_ylim(rows - 0.5, -0.5)
        for row, label in enumerate(shown):
            share = 100 * size_bytes[label] / dense_bytes[label] if dense_bytes[label] else 0.0
            words = f" {share:.1f} %" if dense_bytes[label] else " no clips"
            axes.text(size[row], row, words, va="center", fontsize=6, clip_on=False)
        axes.set_xlabel("MiB of key frames as stored", fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
        axes.margins(x=0.12)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}: storage per class, and its share of the dense float32 clips", fontsize=9)
    _themed(figure, theme)
    return figure


def cosine_map(
    steps: npt.NDArray[np.int64],
    cosines: npt.NDArray[np.float64],
    inserted: Sequence[tuple[int, int]],
    epsilon: float,
    *,
    title: str = "",
    theme: Theme = LIGHT,
) -> "Figure":
    """Draws the cosines between the gradients of a clip's candidates and key frames, by step (Eq. 4-6).

    Args:
        steps: the measured steps in ascending order, (M,).
        cosines: the larger of each candidate's two cosines, NaN at key frames, (M, T).
        inserted: (step, position) of each inserted key frame.
        epsilon: threshold of insertion, which is shown below the chart.
        title: title of the chart.
        theme: colours of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        SettingsError: no step was measured.
    """
    if not steps.size:
        raise SettingsError("no cosines were recorded for this clip; record them with `dfs condense --watch`")
    binned, edges = _binned(steps, cosines)
    length = cosines.shape[1]
    figure = _figure(9.0, 1.6 + min(length, 40) * 0.17)
    axes = figure.subplots()
    largest = float(np.nanmax(np.abs(binned))) if np.isfinite(binned).any() else 1.0
    axes.set_facecolor(_hexadecimal(theme.faint))
    image = axes.pcolormesh(
        edges, np.arange(length + 1) - 0.5, binned.T, cmap="RdBu", vmin=-largest, vmax=largest
    )
    for step, position in inserted:
        axes.plot([step], [position], marker="o", markersize=5, color="black", markerfacecolor="white")
    axes.set_ylim(length - 0.5, -0.5)
    axes.set_yticks(range(0, length, max(1, length // 16)))
    axes.set_ylabel("position")
    axes.set_xlabel(f"step; circles: insertions (epsilon {epsilon:g}); grey: key frames")
    figure.colorbar(image, ax=axes, label="larger of the two cosines", pad=0.01)
    axes.set_title(title, fontsize=9, loc="left")
    _themed(figure, theme)
    return figure


@dataclass(frozen=True)
class Curve:
    """The stores of one curve, which have the same method and setting.

    Attributes:
        label: label in the legend.
        points: (size in bytes, accuracy in percent, standard deviation of the accuracy) of each store.
    """

    label: str
    points: Sequence[tuple[float, float, float]]


def accuracy_against_bytes(
    curves: Sequence[Curve],
    *,
    chance: float | None,
    whole: float | None,
    metric: str,
    title: str = "",
    theme: Theme = LIGHT,
) -> "Figure":
    """Draws accuracy against store size on a logarithmic axis, with a different marker for each curve.

    Args:
        curves: one curve for each method and setting.
        chance: accuracy of always predicting the most frequent class, drawn as a dotted line; no line if
            None.
        whole: accuracy of training on all real clips, drawn as a dashed line; no line if None.
        metric: "top-1" or "top-5".
        title: title of the chart.
        theme: colours of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(8.0, 4.8)
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        colour = _hexadecimal(step_colour(number / max(1, len(curves) - 1)))
        sizes, means, spreads = zip(*sorted(curve.points), strict=True)
        axes.errorbar(
            [size / MEBIBYTE for size in sizes],
            means,
            yerr=spreads,
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            linewidth=1,
            capsize=2,
            color=colour,
            label=curve.label,
        )
    for level, style, name in ((whole, "--", "whole dataset"), (chance, ":", "chance")):
        if level is not None:
            axes.axhline(
                level, linestyle=style, color=_hexadecimal(theme.faint), label=f"{name}, {level:.1f} %"
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda size, _place: f"{size:g}")
    # Between powers of ten, there is only room for the numbers of the ticks at 2 and 5.
    axes.xaxis.set_minor_formatter(lambda size, _place: f"{size:g}" if f"{size:e}"[0] in "25" else "")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("MiB of key frames and index, as stored")
    axes.set_ylabel(f"{metric} accuracy, %")
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    _themed(figure, theme)
    return figure


def _binned(
    steps: npt.NDArray[np.int64], cosines: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Averages neighbouring steps if there are too many to show. Returns the means and the bin edges."""
    width = max(1, -(-steps.size // _COSINE_BINS))
    starts = np.arange(0, steps.size, width)
    known = np.isfinite(cosines)
    sums = np.add.reduceat(np.where(known, cosines, 0.0), starts)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, np.append(steps[starts], steps[-1] + 1)


def chart_bytes(figure: "Figure", suffix: str) -> bytes:
    """Encodes a chart as ".png", ".svg" or ".pdf"."""
    data = io.BytesIO()
    with warnings.catch_warnings():
        # matplotlib's font lacks some scripts. It draws boxes instead and warns about each letter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(data, dpi=_DPI, format=suffix[1:], facecolor=figure.get_facecolor())
    return data.getvalue()


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("a chart needs matplotlib: pip install 'dfs-store[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _themed(figure: "Figure", theme: Theme) -> None:
    from matplotlib.text import Text

    text, background = _hexadecimal(theme.text), _hexadecimal(theme.background)
    figure.set_facecolor(background)
    for axes in figure.axes:
        if not axes.collections or axes.get_facecolor()[:3] == (1.0, 1.0, 1.0):
            axes.set_facecolor(background)
        axes.tick_params(colors=text)
        for spine in axes.spines.values():
            spine.set_edgecolor(_hexadecimal(theme.faint))

    def is_text(artist: Any) -> bool:  # noqa: ANN401 - any artist of matplotlib
        return isinstance(artist, Text)

    for words in figure.findobj(is_text):
        words.set_color(text)  # type: ignore[attr-defined]
        words.set_parse_math(False)  # type: ignore[attr-defined]


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"


def _hexadecimal(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
