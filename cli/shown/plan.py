"""The text of `dfs condense --dry-run`."""

from typing import TYPE_CHECKING

from dfs_store.names import counted

from .. import _output
from .forecast import forecast_text

if TYPE_CHECKING:
    from dfs_store.condense import Plan
    from dfs_store.condense.forecast import Forecast


def plan_text(plan: "Plan", forecast: "Forecast | None", *, timed: bool = True) -> str:
    """Formats the resolved settings, the phases, and the forecasts of time, memory and size.

    Args:
        plan: the plan of the run.
        forecast: forecast of the duration, or None if unknown.
        timed: whether to include the duration.
    """
    parts = [
        f"plan for {_clips(plan)}",
        f"settings (defaults: {plan.preset})",
        _output.table([(k, _value(v)) for k, v in plan.settings.items() if v is not None], indent="  "),
    ]
    if plan.phases:
        parts += ["phases", _output.table([_phase(*phase) for phase in plan.phases], indent="  ")]
    parts += [f"time  {forecast_text(forecast)}"] if timed else []
    parts += ["store", _output.table(_store_rows(plan), indent="  ")]
    parts += ["memory", _output.table(_memory_rows(plan), indent="  ")]
    disk = (
        ("at least, with checkpoints", plan.disk.least),
        ("at most", plan.disk.most),
        ("free", plan.disk_free_bytes),
    )
    parts += ["disk", _output.table([(name, _output.size_text(size)) for name, size in disk], indent="  ")]
    parts += [f"note: {note}" for note in plan.notes]
    return "\n".join(parts)


def outline(plan: "Plan", forecast: "Forecast | None", *, timed: bool = True) -> str:
    """Formats the plan in a few lines: clips, phases, main settings, duration and size."""
    head = f"{plan.settings['method']} on {plan.settings['dataset']}: {_clips(plan)}"
    shown = ("lr", "momentum", "batch_real", "epsilon", "seed")
    settings = [f"{k} {plan.settings[k]}" for k in shown if plan.settings.get(k) is not None]
    rows: list[tuple[str, ...]] = []
    if plan.phases:
        steps = (f"{name} {start:,}-{end - 1:,}" for name, start, end in plan.phases if end > start)
        rows.append(("steps", ", ".join(steps)))
    if timed:
        rows.append(("time", forecast_text(forecast)))
    if plan.settings.get("extractor") == "trained":
        rows.append(("first", "trains ConvNet3D once on the real clips, to choose clips by its features"))
    rows.append(("settings", ", ".join(settings) + "  (all: -v)"))
    first, most = _output.mebibytes(plan.first_bytes), _output.mebibytes(plan.most_bytes)
    sizes = first if first == most else f"{first} at the start, {most} at most"
    rows.append(("store", f"{sizes}{_coded(plan)}"))
    rows += [
        ("note", note) for note in plan.notes if note.startswith("--size")
    ]  # the run prints the other notes
    return "\n".join([head, _output.table(rows, indent="  ")])


def _clips(plan: "Plan") -> str:
    shape = "x".join(map(str, (plan.num_frames, *plan.frame_shape[1:])))
    return (
        f"{counted(plan.num_clips, 'clip')} of {shape} ({counted(plan.num_classes, 'class')}) from "
        f"{counted(plan.num_real_clips, 'real clip')}, on {plan.device}"
    )


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _phase(name: str, start: int, end: int) -> tuple[str, ...]:
    return name, f"steps {start:,} to {end - 1:,}" if end > start else "none", f"{end - start:,} steps"


def _store_rows(plan: "Plan") -> list[tuple[str, ...]]:
    if plan.native_bytes is not None:
        return [
            ("memories", _output.size_text(plan.native_bytes)),
            ("dense clips, for other readers", _output.size_text(plan.first_bytes)),
        ]
    coded = _coded(plan)
    soft = [("soft labels", _output.size_text(plan.soft_label_bytes))] if plan.soft_label_bytes else []
    if plan.first_bytes == plan.most_bytes:
        return [(f"key frames{coded}", _output.size_text(plan.first_bytes)), *soft]
    return [
        (f"key frames at least{coded}", _output.size_text(plan.first_bytes)),
        (
            "at most" if plan.settings.get("budget") else "if every frame is a key frame",
            _output.size_text(plan.most_bytes),
        ),
        *soft,
    ]


def _coded(plan: "Plan") -> str:
    """Returns a remark on the size: the budget, or a note that the size is before encoding."""
    encoding = plan.settings.get("encoding")
    if plan.settings.get("budget") is not None:
        return f", --budget {plan.settings['budget']}"
    return "" if encoding in (None, "none") else f", before encoding as {encoding}"


def _memory_rows(plan: "Plan") -> list[tuple[str, ...]]:
    real = "on the device" if plan.real_on_device else "memory-mapped from the cache"
    rows: list[tuple[str, ...]] = [("real clips, uint8", _output.size_text(plan.real_bytes), real)]
    if plan.key_frame_memory_bytes:
        on_device = plan.key_frames_on_device and plan.device != "cpu"
        home = "on the device" if on_device else "in host memory"
        rows += [
            (
                "key frames and momentum",
                _output.size_text(plan.key_frame_memory_bytes),
                f"{home}, at most",
            ),
            (
                f"one chunk of {counted(plan.chunk_clips, 'clip')}",
                _output.size_text(plan.chunk_memory_bytes),
                "forward and backward, about",
            ),
            ("real clips embedded at a time", _output.size_text(plan.real_batch_bytes), "about"),
        ]
    if plan.pinned_bytes:
        rows.append(("real clips streamed to the GPU", _output.size_text(plan.pinned_bytes), "host memory"))
    if plan.device_memory_bytes is not None:
        rows.append(("limit", _output.size_text(plan.device_memory_bytes)))
    return rows
