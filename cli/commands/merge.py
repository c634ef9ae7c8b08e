"""`dfs merge`: joins several stores."""

from typing import Annotated

import typer

from dfs_store.names import counted

from .. import _output
from .._completion import stores
from .._exit_codes import command
from ..options import shared


@command
def merge(
    stores: Annotated[
        list[str], typer.Argument(metavar="STORE", autocompletion=stores, help="Two or more stores.")
    ],
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Store to write; its suffix selects the container.")
    ],
    dtype: shared.Dtype = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Join stores with the same clip length, frame shape and normalisation.

    Classes are matched by name.

    dfs merge first.zarr second.zarr both.zarr
    """
    from dfs_store.exchange.merge import merge_stores
    from dfs_store.format import open_store

    with _output.Progress("merge", quiet=quiet) as progress:
        merged = merge_stores(stores, out, dtype=dtype, overwrite=overwrite, on_progress=progress.update)
    with open_store(out) as store:
        storage, digest, stored_as = store.storage, store.attributes["digest"], store.stored_as
    if json:
        parents = [{"path": path, "num_clips": n} for path, n in zip(stores, merged.num_clips, strict=True)]
        content = {
            "out": out,
            "stores": parents,
            "num_clips": sum(merged.num_clips),
            "class_names": merged.class_names,
            "dtype": merged.dtype,
            "digest": digest,
            "storage": storage.to_json(),
            "notes": merged.notes,
        }
        _output.document("dfs.merge/1", content)
        return
    if not quiet:
        for remark in merged.notes:
            _output.note(f"note: {remark}")
    _output.echo(
        f"{out}: {counted(sum(merged.num_clips), 'clip')} "
        f"({' + '.join(f'{n:,}' for n in merged.num_clips)}), {counted(len(merged.class_names), 'class')}, "
        f"{counted(storage.num_key_frames, 'key frame')}, {stored_as}, "
        f"{_output.size_text(storage.on_disk_bytes)} on disk"
    )
