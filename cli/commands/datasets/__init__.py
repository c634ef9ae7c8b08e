"""The commands of `dfs datasets`."""
