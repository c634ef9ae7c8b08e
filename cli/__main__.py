"""Lets `python -m dfs_store.cli` stand for `dfs`."""

from ._app import main

if __name__ == "__main__":
    main()
