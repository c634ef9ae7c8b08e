"""The clips of a store in formats that other programs read."""
