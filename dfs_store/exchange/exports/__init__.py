"""Exports a store's clips to formats that other programs read."""
