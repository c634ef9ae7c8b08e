"""`dfs repair`: saves what is whole of a damaged store into a new one."""

from typing import Annotated

import typer

from dfs_store.names import counted

from .. import _output
from .._completion import stores
from .._exit_codes import FOUND_WANTING, command
from ..options import shared


@command
def repair(
    store: Annotated[
        str, typer.Argument(metavar="STORE", autocompletion=stores, help="A damaged store; it is only read.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The new store, .zarr, .zarr.zip, .h5 or .hdf5.")],
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> int:
    """Copy every whole clip of a damaged store into a new one. Exit code 1 names what was left out."""
    from dfs_store.format.io.place import shown_place
    from dfs_store.format.repair import repair_store
    from dfs_store.format.store import open_store

    findings = repair_store(store, out, overwrite=overwrite)
    with open_store(out) as saved:
        num_clips = len(saved)
    if json:
        content = {"store": shown_place(store), "out": shown_place(out), "num_clips": num_clips}
        _output.document("dfs.repair/1", {**content, "left_out": [finding.to_json() for finding in findings]})
    else:
        for finding in findings:
            _output.echo(str(finding))
        if not quiet:
            left_out = counted(len(findings), "problem")
            _output.echo(f"{shown_place(out)}: {counted(num_clips, 'intact clip')}, {left_out} left out")
    return FOUND_WANTING if findings else 0
