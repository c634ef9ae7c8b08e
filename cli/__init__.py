"""The command line `dfs`: one file per command, a single file that prints, and a table of exit codes.

Modules here do not import torch, zarr, h5py or numpy. Each command imports these when it runs, so that `dfs
--help` is fast.
"""

from ._app import app, main

__all__ = ["app", "main"]
