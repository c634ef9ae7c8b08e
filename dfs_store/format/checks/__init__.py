"""Checks of the format's rules, for opening a store and for verifying all of it."""
