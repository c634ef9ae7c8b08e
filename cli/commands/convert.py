"""`dfs convert`: copies a store or some of its clips to a different container, dtype or encoding."""

from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from dfs_store.names import counted

from .. import _output
from .._completion import stores
from .._exit_codes import command
from ..options import shared
from ..options.chosen_clips import clip_ranges

if TYPE_CHECKING:
    from dfs_store.exchange.convert import Conversion


@command
def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", autocompletion=stores, help="Store to read.")],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="Copy to write; its suffix selects the container.")
    ],
    dtype: shared.Dtype = None,
    encoding: shared.Encoding = None,
    compression: Annotated[
        str | None, typer.Option("--compression", help="Compression of the copy: zstd (Zarr) or gzip.")
    ] = None,
    classes: shared.StoreClasses = None,
    without: Annotated[
        str | None,
        typer.Option("--without", metavar="N,N-M", help="Leave out these clips, for example 0,7,20-25."),
    ] = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Copy a store with a different container, dtype, encoding or compression.

    Reports how much the values change.

    dfs convert ucf.zarr ucf.h5 --dtype float16
    """
    from dfs_store.exchange.convert import convert_store

    with _output.Progress("convert", quiet=quiet) as progress:
        done = convert_store(
            source,
            target,
            dtype=dtype,
            encoding=encoding,
            without=[] if without is None else [*chain(*clip_ranges(without, "--without"))],
            compression=compression,
            classes=shared.class_list(classes),
            overwrite=overwrite,
            on_progress=progress.update,
        )
    if json:
        content = {"source": source, "target": target, "compression": compression, **done.to_json()}
        _output.document("dfs.convert/1", content)
        return
    if not quiet:
        for remark in done.notes:
            _output.note(f"note: {remark}")
    _output.echo(_text(target, done, quiet=quiet))


def _text(target: str, done: "Conversion", *, quiet: bool) -> str:
    before, after = done.storage
    there, kept = done.num_clips
    clips = counted(kept, "clip") if kept == there else f"{kept:,} of {counted(there, 'clip')}"
    keys = counted(after.num_key_frames, "key frame")
    head = f"{target}: {clips}, {keys}, {done.container[1]}, {done.stored[1]}"
    if quiet:
        return head
    share = 100 * after.on_disk_bytes / before.on_disk_bytes
    sizes = (
        f"on disk {_output.size_text(before.on_disk_bytes)} before, {_output.size_text(after.on_disk_bytes)} "
        f"after, {share:.1f} %"
    )
    return "\n".join([head, "  " + sizes, "  " + _error_text(done)])


def _error_text(done: "Conversion") -> str:
    error = done.error
    if error is None:
        return f"{done.stored[1]} as before: every frame is an exact copy"
    change = f"{done.stored[0]} to {done.stored[1]}"
    if error.largest == 0:
        return f"{change}: no error, every value is the same"
    return (
        f"{change}: largest error {error.largest:.2g} {error.unit} "
        f"({error.largest_grey_levels:.2g} grey levels of 255), root mean square "
        f"{error.root_mean_square:.2g} ({error.root_mean_square_grey_levels:.2g} grey levels, "
        f"{error.psnr:.1f} dB)"
    )
