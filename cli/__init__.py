"""The command line `dfs`: one file per command, one file that prints, one table of exit codes.

Nothing here imports torch, zarr, h5py or numpy: each command imports what it needs when it runs,
so that `dfs --help` answers at once.
"""

from ._app import app, main

__all__ = ["app", "main"]
