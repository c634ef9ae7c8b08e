"""`dfs datasets`: a file for each group of its commands."""
