"""Fits key frames to real clips (pack): their number, positions and encoding quality."""
