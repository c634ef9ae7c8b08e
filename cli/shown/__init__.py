"""Formats and writes what commands show: progress, plans, results and pictures."""
