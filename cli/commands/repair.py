"""`dfs repair`: copies the intact clips of a damaged store to a new one."""

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
        str,
        typer.Argument(metavar="STORE", autocompletion=stores, help="Damaged store, which is not changed."),
    ],
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Store to write: .zarr, .zarr.zip, .h5 or .hdf5.")
    ],
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> int:
    """Copy the intact clips of a damaged store to a new one.

    The exit code is 1 if any clip is left out.
    """
    from dfs_store.format.copying.repair import repair_store
    from dfs_store.format.io.place import shown_place
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
            _output.echo(f"{shown_place(out)}: {counted(num_clips, 'intact clip')}, {len(findings)} left out")
    return FOUND_WANTING if findings else 0
