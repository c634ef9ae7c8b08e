"""The command line `dfs`: one file per command, one file that prints, one table of exit codes.

Modules here do not import torch, zarr, h5py or numpy; each command imports them when it runs, so that
`dfs --help` is fast.
"""

from ._app import app, main

__all__ = ["app", "main"]
