"""Checks of the format's rules, used when a store is opened and when it is verified."""
