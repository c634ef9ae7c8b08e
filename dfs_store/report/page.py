"""Renders a report from its templates."""

import json
from importlib.resources import files
from typing import Any

import jinja2

from dfs_store.byte_sizes import mebibytes, size_text
from dfs_store.names import counted
from dfs_store.pictures.drawing import step_colour
from dfs_store.report.contents import Contents, ShownClip

__all__ = ["report_html"]


def report_html(contents: Contents) -> str:
    """Returns the report as a self-contained HTML document. All names and values are escaped."""
    folder = files("dfs_store.report") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"size": size_text, "mib": mebibytes, "value": _value, "counted": counted}
    return environment.get_template("page.html").render(
        report=contents,
        border=lambda shown, position: _border(contents, shown, position),
        said=_said,
        alt=_alternative,
    )


def _border(contents: Contents, shown: ShownClip, position: int) -> str | None:
    """Returns the border colour of a key frame, "initial" for an initial one, or None for a rebuilt frame."""
    assert shown.clip is not None
    steps = shown.clip.steps_by_position()
    if position not in steps:
        return None
    step = steps[position]
    if step is None or step < 0 or contents.timeline is None:
        return "initial"
    return "rgb({} {} {})".format(*step_colour(step / max(1, contents.timeline.steps - 1)))


def _said(shown: ShownClip, position: int) -> str:
    assert shown.clip is not None
    steps = shown.clip.steps_by_position()
    if position not in steps:
        return "rebuilt"
    step = steps[position]
    if step is None:
        return "key frame"
    return "initial key frame" if step < 0 else f"key frame, inserted at step {step:,}"


def _alternative(shown: ShownClip) -> str:
    assert shown.clip is not None
    positions = ", ".join(map(str, shown.clip.positions.tolist()))
    number = shown.clip.num_frames
    return f"Clip {shown.number}, class {shown.class_name}: {number} frames, key frames at {positions}"


def _value(value: Any) -> str:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
