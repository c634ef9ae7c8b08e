"""`dfs diff`: compares two stores."""

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfs_store.names import counted

from .. import _output
from .._completion import stores
from .._exit_codes import FOUND_WANTING, command
from ..options import shared

if TYPE_CHECKING:
    from dfs_store.exchange.diff import ArrayDifference, StoreDifference

_LONGEST = 60


@command
def diff(
    first: Annotated[
        str, typer.Argument(metavar="A", autocompletion=stores, help="First store, or its URL.")
    ],
    second: Annotated[
        str, typer.Argument(metavar="B", autocompletion=stores, help="Second store, or its URL.")
    ],
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> int | None:
    """Compare the settings, positions and values of two stores.

    The exit code is 1 if the stores differ.

    dfs diff first.zarr second.h5
    """
    from dfs_store.exchange.diff import diff_stores
    from dfs_store.format.io.place import shown_place

    with _output.Progress("diff", quiet=quiet) as progress:
        found = diff_stores(first, second, on_progress=progress.update)
    if json:
        content = {"a": shown_place(first), "b": shown_place(second), **found.to_json()}
        _output.document("dfs.diff/1", content)
    else:
        _output.echo(_text(found, verbose=verbose))
    return None if found.equal else FOUND_WANTING


def _text(found: "StoreDifference", *, verbose: bool) -> str:
    if found.equal:
        return "equal: settings, positions, labels and values"
    rows = [(name, _value(a, verbose), _value(b, verbose)) for name, (a, b) in found.settings.items()]
    lines = ["settings", _output.table([("", "A", "B"), *rows], indent="  ")] if rows else ["settings  equal"]
    lines.append(_clips("positions", found.positions))
    lines.append(_clips("labels   ", found.labels))
    values = found.values
    if values is None:
        lines.append("values     cannot be compared: the clips have different shapes")
    elif not values.num_clips:
        lines.append("values     equal")
    else:
        lines.append(
            f"values     differ in {counted(values.num_clips, 'clip')}: root mean square {values.rms:.4g}, "
            f"at most {values.largest:.4g} (clip {values.largest_clip}), in units of the normalised clips"
        )
    if found.native:
        lines.append(f"native     differ: {', '.join(found.native)}")
    return "\n".join(lines)


def _clips(name: str, found: "ArrayDifference") -> str:
    if found.first is None:
        return f"{name}  equal"
    clip, one, other = found.first
    return f"{name}  differ in {counted(found.num_clips, 'clip')}, first {clip}: A {one}, B {other}"


def _value(value: Any, verbose: bool) -> str:  # noqa: ANN401 - any JSON value
    text = value if isinstance(value, str) else json_module.dumps(value)
    return text if verbose or len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
