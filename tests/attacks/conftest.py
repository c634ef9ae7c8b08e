"""The command line in this process, as in the tests of commands."""

from tests.cli.conftest import dfs

__all__ = ["dfs"]
