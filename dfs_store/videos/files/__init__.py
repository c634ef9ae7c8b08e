"""Finds the videos of a dataset on disk: known datasets, folder layouts, lists, groups of clips."""
