"""What is on disk: known datasets, their layouts, lists of videos and groups."""
