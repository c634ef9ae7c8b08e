"""Finds the videos of a dataset on disk: known datasets, folder layouts, lists and groups of clips."""
