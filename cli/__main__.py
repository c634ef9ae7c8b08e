"""Makes `python -m dfs_store.cli` equivalent to `dfs`."""

from ._app import main

if __name__ == "__main__":
    main()
