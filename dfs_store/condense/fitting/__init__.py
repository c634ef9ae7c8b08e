"""Chooses the number, positions and encoding quality of the key frames that rebuild real clips (for pack)."""
