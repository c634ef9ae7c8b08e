"""Copies of stores: converted, merged, repaired."""
